#!/usr/bin/env python3
"""The crates that the daemon is linked from, for those who must know what an image consists of.

  crates.py sbom FOLDER CARGO-LOCK <IN.json >OUT.json    adds them to Buildroot's list (CycloneDX 1.6)
  crates.py licences FOLDER OUT                          copies their licence texts to OUT/CRATE-VERSION; a crate that
                                                         comes without gets the text of the licence that it names

FOLDER has what cargo says for the board's target: crates.tree from `cargo tree --edges normal,no-proc-macro --prefix none`,
one "NAME vVERSION" a line, which knows what is linked, and crates.json from `cargo metadata`, which knows the rest.
"""

import json
import pathlib
import re
import shutil
import sys
import tomllib

# Buildroot's name of the daemon's package.
DAEMON = "roost"
# What a file with a licence, or with the names it asks to be kept, is called.
TEXT = re.compile(r"(?i)^(licen[cs]e|copying|copyright|notice|unlicense)")
# The texts that are the same for everybody; the MIT licence is not, it begins with its owner.
STANDARD = {"Apache-2.0": pathlib.Path(__file__).resolve().parent.parent / "LICENSE-APACHE"}


def linked(folder):
    """The packages that the daemon is linked from, and what each is linked from, by id."""
    lines = (folder / "crates.tree").read_text().splitlines()
    names = {tuple(line.split()[:2]) for line in lines if line}
    metadata = json.loads((folder / "crates.json").read_text())
    packages = {p["id"]: p for p in metadata["packages"] if (p["name"], "v" + p["version"]) in names}
    if len(packages) != len(names):
        sys.exit(f"crates: cargo tree tells of {len(names)} packages, cargo metadata of {len(packages)} of them")
    nodes = (node for node in metadata["resolve"]["nodes"] if node["id"] in packages)
    needs = {node["id"]: [dep for dep in node["dependencies"] if dep in packages] for node in nodes}
    return packages, needs


def expression(licence):
    """Older crates separate what one may choose from by a slash."""
    return licence.replace("/", " OR ") if " " not in licence else licence


def component(package, checksums):
    name, version = package["name"], package["version"]
    found = {
        "bom-ref": f"crate:{name}@{version}",
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
        "properties": [{"name": "BR_TYPE", "value": "target"}],
    }
    if package["license"]:
        found["licenses"] = [{"expression": expression(package["license"])}]
    if (name, version) in checksums:
        found["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    return found


def sbom(folder, lock):
    bom = json.load(sys.stdin)
    packages, needs = linked(folder)
    checksums = {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}
    ours = {ident for ident, package in packages.items() if not package["source"]}
    ref = {ident: f'crate:{p["name"]}@{p["version"]}' for ident, p in packages.items()}
    found = [component(packages[ident], checksums) for ident in packages if ident not in ours]
    bom["components"] += sorted(found, key=lambda entry: entry["bom-ref"])
    for ident in sorted(set(packages) - ours, key=ref.get):
        bom["dependencies"].append({"ref": ref[ident], "dependsOn": sorted(ref[dep] for dep in needs[ident] if dep not in ours)})
    # Our own crates are one package of Buildroot's.
    daemon = next(entry for entry in bom["dependencies"] if entry["ref"] == DAEMON)
    direct = {ref[dep] for ident in ours for dep in needs[ident] if dep not in ours}
    daemon["dependsOn"] = sorted(set(daemon["dependsOn"]) | direct)
    json.dump(bom, sys.stdout, indent=2)


def licences(folder, out):
    packages, _ = linked(folder)
    without = []
    for package in packages.values():
        if not package["source"]:
            continue
        crate = pathlib.Path(package["manifest_path"]).parent
        texts = [path for path in crate.rglob("*") if path.is_file() and TEXT.match(path.name)]
        into = out / f'{package["name"]}-{package["version"]}'
        for path in texts:
            target = into / path.relative_to(crate)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        if not texts and not named(package, into):
            without.append(f'{package["name"]} {package["version"]} ({package["license"]})')
    if without:
        sys.exit("crates: no licence text in " + ", ".join(without))


def named(package, into):
    """Puts down the text of a licence that a crate names and one may choose, and whose crate it is."""
    choices = expression(package["license"] or "").split(" OR ")
    text = next((STANDARD[choice] for choice in choices if choice in STANDARD), None)
    if text:
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(text, into / text.name)
        authors = ", ".join(package["authors"]) or "its authors"
        (into / "COPYRIGHT").write_text(f'{package["name"]} {package["version"]}, by {authors}: {package["license"]}\n')
    return text


def main(verb, folder, last):
    if verb == "sbom":
        sbom(pathlib.Path(folder), tomllib.loads(pathlib.Path(last).read_text()))
    else:
        licences(pathlib.Path(folder), pathlib.Path(last))


main(*sys.argv[1:])
