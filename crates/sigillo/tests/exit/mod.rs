//! Exit statuses, as docs/cli.md has them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

/// That page.
pub fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    std::fs::read_to_string(path).unwrap()
}

/// What a failure under this code ends with.
pub fn status(code: &str) -> Option<i32> {
    let page = page();
    let row = page.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{code}`")));
    Some(row.map_or(1, |row| row.split(' ').nth(1).unwrap().parse().unwrap()))
}
