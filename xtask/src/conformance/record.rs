//! Running a suite's program with what it prints in a file, and not longer than a limit.
use crate::{
    sh::{self, Result},
    steps::work_dir,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::File,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

/// Runs to the end with everything printed in one file of `results`; returns how it ended and that text. No status is that
/// the limit passed, when it has been ended with all that it started.
pub(super) fn recorded(
    command: &mut Command,
    results: &Path,
    limit: Duration,
) -> Result<(Option<ExitStatus>, String)> {
    let path = results.join("output.txt");
    let file = File::create(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let copy = file.try_clone().map_err(|e| e.to_string())?;
    let mut child = command
        .env("TMPDIR", work_dir("conformance/tmp")?)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(copy)
        .spawn()
        .map_err(|e| format!("cannot run {}: {e}", command.get_program().to_string_lossy()))?;
    let status = sh::wait_for(&mut child, limit)?;
    if status.is_none() {
        // Not yet waited for, so the number is still its own.
        end_tree(Pid::from_child(&child))?;
        child.wait().map_err(|e| e.to_string())?;
    }
    Ok((status, String::from_utf8_lossy(&sh::read_file(&path)?).into_owned()))
}

/// The sentence for a program that did not end as one that has run every test.
pub(super) fn unfinished(program: &str, status: Option<ExitStatus>, limit: Duration) -> String {
    match status {
        Some(status) => format!("{program} ended with {status}"),
        None => format!("{program} was still running after {} s", limit.as_secs()),
    }
}

/// Kills a process and all that it started: a shell's end alone would leave its TPM and its bus behind.
fn end_tree(root: Pid) -> Result<()> {
    // One that has just ended by itself is neither stopped nor killed, which is as well.
    let each = |pids: &[Pid], signal| pids.iter().for_each(|pid| _ = kill_process(*pid, signal));
    let mut tree = Vec::new();
    let mut found = vec![root];
    while !found.is_empty() {
        // Stopped, it starts no further ones while the list is read.
        each(&found, Signal::STOP);
        tree.append(&mut found);
        found = parents()?
            .into_iter()
            .filter(|(pid, parent)| tree.contains(parent) && !tree.contains(pid))
            .map(|(pid, _)| pid)
            .collect();
    }
    each(&tree, Signal::KILL);
    Ok(())
}

/// Every process with its parent.
fn parents() -> Result<Vec<(Pid, Pid)>> {
    let pid = |text: &str| text.parse().ok().and_then(Pid::from_raw);
    let entries = std::fs::read_dir("/proc").map_err(|e| format!("/proc: {e}"))?;
    Ok(entries
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // "pid (name) state parent ...", and a name may hold anything.
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid(entry.file_name().to_str()?)?, pid(parent)?))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sh::cmd;
    use std::io::Read;

    #[test]
    fn what_a_program_started_ends_with_it() {
        let mut hangs = cmd("sh", ["-c", "sh -c 'echo started; sleep 1000; true'; true"]);
        let mut child = hangs.stdout(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let mut started = [0; 8];
        pipe.read_exact(&mut started).unwrap();
        end_tree(Pid::from_child(&child)).unwrap();
        // The pipe ends when the last of them has, and a second `sleep` would be waited for here.
        assert_eq!(pipe.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert!(!child.wait().unwrap().success());
    }
}
