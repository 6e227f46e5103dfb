//! `sigillo doctor`: what is wrong with this host and its VMs. Ends with 1 if there is an error among the findings.
use super::{
    Done, audit, keychain,
    output::{self, BAD, DOUBTFUL, PLAIN, paint},
    progress::Waiting,
};
use serde_json::json;
use sigillo_keychain::anchor::Anchors;
use sigillo_messages::{printable, text, words};
use sigillo_vm::{
    Home,
    doctor::{Finding, Patient, Records, Severity, examine},
};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The VM's name or UUID [default: all VMs]
    name: Option<String>,
    /// Only what should be done something about, without the notes
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(home: &Home, args: &Args) -> Done {
    let (sealed, audit, anchors) = (keychain::system()?, audit::log()?, Anchors::of_this_host()?);
    let elsewhere = keychain::elsewhere()?;
    let records = elsewhere.as_deref().map_or(Records::System(&sealed), Records::SecretService);
    let patient = Patient { home, records, audit: &audit, anchors: &anchors };
    let waiting = Waiting::show(|so_far| text!("waiting-doctor", seconds = so_far.as_secs()));
    let findings = examine(&patient, args.name.as_deref());
    drop(waiting);
    let mut findings = findings?;
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if args.quiet {
        findings.retain(|finding| finding.severity > Severity::Note);
    }
    if output::is_json() {
        say!("{}", json!({ "errors": errors, "warnings": warnings, "findings": findings }));
    } else {
        findings.iter().for_each(say);
        say!("{}", text!("doctor-count", #errors, #warnings));
    }
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn say(finding: &Finding) {
    let whose = finding.vm.as_ref().map_or_else(|| text!("doctor-host"), |vm| text!("doctor-vm", ?vm));
    let what = printable(&finding.what);
    let (style, word) = match finding.severity {
        Severity::Error => (BAD, words!("severity-error")),
        Severity::Warning => (DOUBTFUL, words!("severity-warning")),
        Severity::Note => (PLAIN, words!("severity-note")),
    };
    say!("{:7}  {whose}: {}: {what}", paint(style, word), finding.code);
    if !finding.meaning.is_empty() {
        say!("         {}", text!("doctor-means", text = printable(&finding.meaning)));
    }
    if !finding.remedy.is_empty() {
        say!("         {}", text!("doctor-do", text = printable(&finding.remedy)));
    }
    if let Some(command) = &finding.command {
        say!("         {}", text!("doctor-command", text = printable(command)));
    }
}
