//! `sigillo vm create --edit`: a person changes a VM's `vm.toml` before the VM is made.
use super::{Failure, confirm, create::default_profile, tpm};
use sigillo_vm::{Home, MAX_CONFIG_BYTES, Plan};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

const HEAD: &str = "\
# What the new VM will be made of. Save and leave the editor to make it; empty the file to make nothing.
# name and uuid stay. docs/vm.md explains every key; a [tpm] table gives the VM its TPM and turns Secure Boot on:
#   [tpm]
#   interface = \"crb\"
#   store = \"tpm.store\"
#   encrypted = true

";

/// Lets the person change the plan until it can be.
pub(super) fn draft(home: &Home, plan: &mut Plan) -> Result<(), Failure> {
    if let Some(tpm) = plan.config_mut().tpm.as_mut() {
        tpm.profile.get_or_insert_with(default_profile);
    }
    let failed = |e: io::Error| Failure::new("SIG_ERR_IO", format!("the draft could not be written: {e}"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home.path()).map_err(failed)?;
    let path = home.path().join(format!(".{}.draft.toml", plan.config().uuid));
    let text = format!("{HEAD}{}", plan.draft()?);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
    let taken = edited(plan, &path);
    // Words that a person wrote are kept where they could not be used.
    match taken {
        Err(Refused::Text(why)) => Err(Failure::new(
            "SIG_ERR_VM_DRAFT",
            format!("no VM was made: {why}. What you wrote is kept in {}", path.display()),
        )),
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
        open_editor(path).map_err(|why| other(format!("no VM was made: {why}")))?;
        let text = read(path).map_err(|e| other(format!("no VM was made: the draft cannot be read: {e}")))?;
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            return Err(other("no VM was made: the draft was emptied".to_owned()));
        }
        let Err(why) = take(plan, &text) else { return Ok(()) };
        if !confirm::ask(&format!("{why}\nEdit it again?")) {
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
        Ok(status) => {
            Err(format!("the editor {editor:?} ended with {status}; set VISUAL or EDITOR to another"))
        }
        Err(e) => Err(format!("the editor {editor:?} cannot be started: {e}; set VISUAL or EDITOR")),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= MAX_CONFIG_BYTES) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {MAX_CONFIG_BYTES} bytes")))
    }
}
