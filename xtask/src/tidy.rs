//! `cargo xtask tidy`: the rules of the house that no compiler checks.

use crate::sh::{self, Result, cmd, root};
use std::path::Path;

/// Which of our crates each crate may depend on, in the order of the arrows. See ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("types-derive", &[]),
    ("types", &["types-derive"]),
    ("accel", &[]),
    ("crypto", &["types", "accel"]),
    ("engine", &["types", "crypto"]),
    ("client", &["types", "crypto"]),
    ("messages", &[]),
    ("store", &["messages"]),
    ("keychain", &["messages", "store"]),
    ("server", &["messages", "types", "crypto", "engine", "store"]),
    ("vm", &["messages", "store", "keychain"]),
    ("cli", &["messages", "server", "client", "store", "keychain", "vm", "types"]),
    ("sigillo", &["cli", "server", "client", "store", "keychain", "engine", "types"]), // all but the first for its tests
];

/// Crates that must build without the standard library.
const NO_STD: &[&str] = &["types", "accel", "crypto", "engine"];

/// The files that may use `unsafe`. See docs/adr/0012-vectors.md and docs/adr/0030-aws-lc.md.
const UNSAFE: &[&str] =
    &["crates/accel/src/avx2.rs", "crates/accel/src/ifma.rs", "crates/accel/src/aws_lc/raw.rs"];

/// The longest source file; tables and generated pages are not source.
const MAX_LINES: usize = 800;

/// Checks everything and names every breach.
pub(crate) fn run() -> Result<()> {
    let mut breaches = Vec::new();
    arrows(&mut breaches)?;
    no_std(&mut breaches)?;
    sources(&mut breaches)?;
    named_tests(&mut breaches)?;
    if breaches.is_empty() {
        Ok(())
    } else {
        Err(format!("the house is not tidy:\n  {}", breaches.join("\n  ")))
    }
}

fn arrows(breaches: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(root().join("crates")).map_err(|e| e.to_string())? {
        let name = entry.map_err(|e| e.to_string())?.file_name().to_string_lossy().into_owned();
        let Some((_, allowed)) = ARROWS.iter().find(|(krate, _)| *krate == name) else {
            breaches.push(format!("crates/{name}: not in the list of arrows (xtask/src/tidy.rs)"));
            continue;
        };
        for dependency in dependencies(&root().join("crates").join(&name).join("Cargo.toml"))? {
            if !allowed.contains(&dependency.as_str()) {
                breaches.push(format!("crates/{name} must not depend on {dependency}"));
            }
        }
    }
    Ok(())
}

/// Our own crates in `[dependencies]` of a manifest; what tests use does not count.
fn dependencies(manifest: &Path) -> Result<Vec<String>> {
    let text = String::from_utf8_lossy(&sh::read_file(manifest)?).into_owned();
    Ok(text
        .lines()
        .skip_while(|line| line.trim() != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.strip_prefix("sigillo-"))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .map(str::to_owned)
        .collect())
}

fn no_std(breaches: &mut Vec<String>) -> Result<()> {
    for krate in NO_STD {
        let path = root().join("crates").join(krate).join("src/lib.rs");
        if !String::from_utf8_lossy(&sh::read_file(&path)?).contains("#![no_std]") {
            breaches.push(format!("crates/{krate}: not #![no_std]"));
        }
    }
    Ok(())
}

fn sources(breaches: &mut Vec<String>) -> Result<()> {
    let files =
        sh::read(cmd("git", ["ls-files", "-co", "--exclude-standard", "*.rs", "*.sh"]).current_dir(root()))?;
    for file in files.lines() {
        // A file deleted but not yet committed is still listed.
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        let lines = text.lines().count();
        if lines > MAX_LINES {
            breaches.push(format!("{file}: {lines} lines; split it by {MAX_LINES}"));
        }
        if file == "xtask/src/tidy.rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            for word in ["unsafe {", "unsafe fn", "unsafe impl", "TODO", "FIXME", "../shared"] {
                let allowed = word.starts_with("unsafe") && UNSAFE.contains(&file);
                if line.contains(word) && !allowed {
                    breaches.push(format!("{file}:{}: `{word}`", number + 1));
                }
            }
        }
    }
    Ok(())
}

/// Every test that docs/known-holes.md names is there.
fn named_tests(breaches: &mut Vec<String>) -> Result<()> {
    let page = String::from_utf8_lossy(&sh::read_file(&root().join("docs/known-holes.md"))?).into_owned();
    let mut named = 0;
    for (file, test) in page.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")) {
        named += 1;
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        if !text.contains(&format!("fn {test}()")) {
            breaches.push(format!("docs/known-holes.md: there is no `{test}` in {file}"));
        }
    }
    if named == 0 {
        breaches.push("docs/known-holes.md names no test".to_owned());
    }
    Ok(())
}
