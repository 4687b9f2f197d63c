//! Any sequence of operations does what the model does.

use super::model::{Model, Op, difference};
use super::sim::{Random, Sim};
use super::*;
use crate::open::open_tuned;
use crate::tuning::Tuning;
use proptest::prelude::*;

/// Small, so that short tests go through segments, spills and checkpoints.
pub fn small() -> Tuning {
    Tuning {
        segment: 64 * 1024,
        part: 1_500,
        attachment: 300,
        log_buffer: 6_000,
        checkpoint_bytes: 60_000,
        checkpoint_records: 13,
        reclaim: 12_000,
        ..Tuning::default()
    }
}

pub fn options() -> Options {
    Options { max_message: 100_000, reserve: 0, cache: 1 << 20 }
}

fn same(store: &Store, model: &Model) {
    assert_eq!(difference(store, model).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_the_model_does(seeds in proptest::collection::vec(any::<u64>(), 1..80)) {
        let disk = Sim::new();
        let mut store = open_tuned(Arc::new(disk.clone()), options(), small()).unwrap();
        let mut model = Model::default();
        for (n, seed) in seeds.iter().enumerate() {
            let mut random = Random::new(*seed);
            model.opened(&store);
            let op = Op::random(&mut random, &model, 8_000);
            let wanted = model.run(&op);
            let answer = op.run(&store);
            if let Err(StoreError::Io(_) | StoreError::Full | StoreError::Stopped | StoreError::Damaged(_)) = answer {
                panic!("{op:?}: {answer:?}");
            }
            prop_assert_eq!(answer.ok(), wanted, "{:?}", op);
            if n % 16 == 7 {
                same(&store, &model);
                store.close().unwrap();
                store = open_tuned(Arc::new(disk.clone()), options(), small()).unwrap();
            }
        }
        same(&store, &model);
        prop_assert_eq!(store.check().unwrap(), Vec::<String>::new());
        // what was asked is in the log: without the catalogue it is all the same
        drop(store);
        crate::disk::Disk::remove(&disk, crate::catalogue::FILE).unwrap();
        let store = open_tuned(Arc::new(disk.clone()), options(), small()).unwrap();
        same(&store, &model);
    }
}
