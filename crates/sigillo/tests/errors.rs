//! Every error code a user can meet is explained.
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

#[test]
fn every_code_in_the_sources_is_in_the_list_of_errors() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let list = fs::read_to_string(crates.parent().unwrap().join("docs/errors.md")).unwrap();
    let mut files = Vec::new();
    for entry in fs::read_dir(crates).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    let mut codes = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for kind in ["SIG_ERR_", "SIG_NOTE_"] {
            for part in text.split(&format!("\"{kind}")).skip(1) {
                let name: String = part
                    .chars()
                    .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_')
                    .collect();
                codes.insert(format!("{kind}{name}"));
            }
        }
    }
    assert!(codes.len() > 20, "{codes:?}");
    let missing: Vec<_> = codes.iter().filter(|code| !list.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
}
