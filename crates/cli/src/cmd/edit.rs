//! `sigillo vm create --edit` and `--draft`: a person changes a VM's `vm.toml` before the VM is made.
use super::{Failure, confirm, exit, tpm};
use sigillo_messages::text;
use sigillo_vm::{Home, MAX_CONFIG_BYTES, Plan};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::Command,
};

/// How the names of drafts end.
const DRAFT: &str = ".draft.toml";

/// A draft that a plan was taken from. Words that a person wrote are kept until there is a VM made of them.
pub(super) struct Draft {
    path: PathBuf,
    /// What was in it before the person changed it, if that was not the person's own.
    given: Option<String>,
    /// Whether it is one of sigillo's, and not a file that the person named.
    is_ours: bool,
}

impl Draft {
    /// The VM is made of it.
    pub(super) fn used(self) {
        if self.is_ours {
            // There is nothing to be done about it, and a draft that stays harms nobody.
            let _ = fs::remove_file(&self.path);
        }
    }

    /// No VM is made of it: tells where the words are, if there are any of the person's.
    pub(super) fn kept(self, failure: Failure) -> Failure {
        let is_own = |text: String| Some(&text) != self.given.as_ref() && !is_empty(&text);
        if !read(&self.path).map_or_else(|e| e.kind() != io::ErrorKind::NotFound, is_own) {
            self.used();
            return failure;
        }
        Failure { text: text!("draft-kept", why = failure.text, path = self.path.display()), ..failure }
    }
}

/// Takes over a draft that was kept, or another file of the kind. The VM is a new one all the same: it has its own name and UUID.
pub(super) fn take_up(home: &Home, plan: &mut Plan, file: &Path, change: bool) -> Result<Draft, Failure> {
    let text = read(file).map_err(|e| {
        Failure::new("SIG_ERR_VM_DRAFT", text!("draft-not-taken", path = file.display(), error = e))
    })?;
    let text = plan.renewed(&text);
    let is_ours = is_ours(home, file);
    if !change {
        let draft = Draft { path: file.to_owned(), given: None, is_ours };
        return match take(plan, &text) {
            Ok(()) => Ok(draft),
            Err(why) => Err(draft.kept(Failure::new("SIG_ERR_VM_DRAFT", text!("vm-draft", why)))),
        };
    }
    let draft = Draft { path: write(home, plan, &text)?, given: None, is_ours: true };
    if is_ours {
        // All its words are in the new one; a draft that stays harms nobody.
        let _ = fs::remove_file(file);
    }
    finish(plan, draft)
}

/// Whether [`draft`] made the file.
fn is_ours(home: &Home, file: &Path) -> bool {
    let named = file.file_name().map(|name| name.to_string_lossy());
    let place = file.parent().and_then(|dir| fs::canonicalize(dir).ok());
    named.is_some_and(|name| name.starts_with('.') && name.ends_with(DRAFT))
        && place.is_some_and(|dir| fs::canonicalize(home.path()).is_ok_and(|home| dir == home))
}

/// Lets the person change the plan until it can be.
pub(super) fn draft(home: &Home, plan: &mut Plan) -> Result<Draft, Failure> {
    if let Some(tpm) = plan.config_mut().tpm.as_mut() {
        tpm.profile.get_or_insert_with(tpm::default_profile);
    }
    let given = format!("{}\n\n{}", text!("draft-head"), plan.draft()?);
    let path = write(home, plan, &given)?;
    finish(plan, Draft { path, given: Some(given), is_ours: true })
}

fn write(home: &Home, plan: &Plan, text: &str) -> Result<PathBuf, Failure> {
    let failed = |e: io::Error| Failure::new("SIG_ERR_IO", text!("draft-not-written", error = e));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home.path()).map_err(failed)?;
    let path = home.path().join(format!(".{}{DRAFT}", plan.config().uuid));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).inspect_err(|_| {
        // Half of it is nobody's work.
        let _ = fs::remove_file(&path);
    });
    written.map_err(failed)?;
    Ok(path)
}

fn finish(plan: &mut Plan, draft: Draft) -> Result<Draft, Failure> {
    match edited(plan, &draft.path) {
        Ok(()) => Ok(draft),
        Err(why) => Err(draft.kept(Failure::new("SIG_ERR_VM_DRAFT", why))),
    }
}

/// A failure is a sentence.
fn edited(plan: &mut Plan, path: &Path) -> Result<(), String> {
    loop {
        open_editor(path).map_err(|why| text!("vm-draft", why))?;
        let text = read(path).map_err(|e| text!("draft-unreadable", error = e))?;
        if is_empty(&text) {
            return Err(text!("draft-emptied"));
        }
        let Err(why) = take(plan, &text) else { return Ok(()) };
        if !confirm::ask(&text!("draft-again", why)) {
            return Err(text!("vm-draft", why));
        }
    }
}

/// Whether nothing but comments is in it.
fn is_empty(text: &str) -> bool {
    text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
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
