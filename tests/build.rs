//! Makes one `#[test]` of every transcript, so that each is run, listed and reported by its name.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("transcripts");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut code = String::new();
    for file in &files {
        let relative = file.strip_prefix(&root).expect("below the root").with_extension("");
        let relative = relative.to_str().expect("transcripts have plain names");
        let name = relative.replace(['/', '-'], "_");
        writeln!(code, "#[test]\nfn {name}() {{\n    play(\"{relative}\");\n}}").expect("a string takes all");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it")).join("transcripts.rs");
    std::fs::write(&out, code).expect("the output directory can be written");
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    println!("cargo::rerun-if-changed={}", dir.display());
    for entry in std::fs::read_dir(dir).expect("the transcripts are there") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "txt") {
            files.push(path);
        }
    }
}
