//! `sigillo vm undelete`.
use super::{Done, host::Kept, output};
use serde_json::json;
use sigillo_messages::text;
use sigillo_vm::{Home, undelete};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The deleted VM's name or UUID, or the path of what was kept of it
    kept: String,
    /// How it is called now [default: as it was]
    #[arg(long)]
    name: Option<String>,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let kept = Kept::find()?;
    kept.sweep(home);
    let vm = undelete(home, &kept.host(), &args.kept, args.name.as_deref())?;
    let (name, uuid, bundle) = (vm.name(), vm.config().uuid, vm.path().display());
    output::report(
        || json!({ "name": name, "uuid": uuid.to_string(), "bundle": bundle.to_string() }),
        || {
            say!("{}", text!("undeleted", name, uuid, bundle));
            say!("  {}", text!("undeleted-disks", ?name));
        },
    )
}
