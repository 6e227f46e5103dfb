//! `sigillo vm create --edit`: a person changes a VM's `vm.toml` before the VM is made.
use super::{Failure, confirm, create::default_profile, exit, tpm};
use sigillo_messages::text;
use sigillo_vm::{Home, MAX_CONFIG_BYTES, Plan};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

/// Lets the person change the plan until it can be.
pub(super) fn draft(home: &Home, plan: &mut Plan) -> Result<(), Failure> {
    if let Some(tpm) = plan.config_mut().tpm.as_mut() {
        tpm.profile.get_or_insert_with(default_profile);
    }
    let failed = |e: io::Error| Failure::new("SIG_ERR_IO", text!("draft-not-written", error = e));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home.path()).map_err(failed)?;
    let path = home.path().join(format!(".{}.draft.toml", plan.config().uuid));
    let text = format!("{}\n\n{}", text!("draft-head"), plan.draft()?);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    let taken = edited(plan, &path);
    // Words that a person wrote are kept where they could not be used.
    match taken {
        Err(Refused::Text(why)) => {
            Err(Failure::new("SIG_ERR_VM_DRAFT", text!("draft-refused", why, path = path.display())))
        }
        Err(Refused::Other(failure)) => {
            // What the person has to know is why no VM was made; a draft that stays harms nobody.
            let _ = fs::remove_file(&path);
            Err(failure)
        }
        Ok(()) => fs::remove_file(&path).map_err(failed),
    }
}

enum Refused {
    Text(String),
    Other(Failure),
}

fn edited(plan: &mut Plan, path: &Path) -> Result<(), Refused> {
    let other = |text: String| Refused::Other(Failure::new("SIG_ERR_VM_DRAFT", text));
    loop {
        open_editor(path).map_err(|why| other(text!("vm-draft", why)))?;
        let text = read(path).map_err(|e| other(text!("draft-unreadable", error = e)))?;
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Err(other(text!("draft-emptied")));
        }
        let Err(why) = take(plan, &text) else { return Ok(()) };
        if !confirm::ask(&text!("draft-again", why)) {
            return Err(Refused::Text(why));
        }
    }
}

fn take(plan: &mut Plan, text: &str) -> Result<(), String> {
    plan.take_draft(text)?;
    if let Some(profile) = plan.config().tpm.as_ref().and_then(|tpm| tpm.profile.as_deref()) {
        tpm::profile(profile)?;
    }
    Ok(())
}

/// By the shell: an editor is named with its options.
fn open_editor(path: &Path) -> Result<(), String> {
    let named = |variable| std::env::var(variable).ok().filter(|editor| !editor.trim().is_empty());
    let editor = named("VISUAL").or_else(|| named("EDITOR")).unwrap_or_else(|| "vi".to_owned());
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sigillo").arg(PathBuf::from(path));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(text!("editor-ended", ?editor, status = exit::in_words(status))),
        Err(e) => Err(text!("editor-not-started", ?editor, error = e)),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_CONFIG_BYTES) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, text!("draft-too-long", limit = MAX_CONFIG_BYTES)))
    }
}
