//! `sigillo availability`.
use super::{
    Done, Failure,
    host::Kept,
    output::{self, BAD, DOUBTFUL, GOOD, PLAIN, paint},
};
use clap::ValueEnum;
use serde_json::{Value, json};
use sigillo_messages::{text, words};
use sigillo_vm::{
    HostPolicy,
    availability::{Answer, Chip, Edition, Feature, Need, Version, product, this_host},
};
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A version of Parallels Desktop, as in 17.1.0, with --edition and --chip [default: sigillo on this host]
    #[arg(long, value_name = "V")]
    product_version: Option<Version>,
    /// Its edition, with --product-version and --chip
    #[arg(long, value_enum)]
    edition: Option<EditionArg>,
    /// The processor of its host, intel, apple-m1 and so on, with --product-version and --edition
    #[arg(long)]
    chip: Option<Chip>,
}

#[derive(Clone, Copy, ValueEnum)]
enum EditionArg {
    Standard,
    Pro,
    Business,
    AppStore,
}

impl From<EditionArg> for Edition {
    fn from(edition: EditionArg) -> Self {
        match edition {
            EditionArg::Standard => Self::Standard,
            EditionArg::Pro => Self::Pro,
            EditionArg::Business => Self::Business,
            EditionArg::AppStore => Self::AppStore,
        }
    }
}

/// Ends with success if a TPM can be had.
pub(crate) fn run(args: &Args) -> Done {
    let (answers, needs) = match (args.product_version, args.edition, args.chip) {
        (Some(version), Some(edition), Some(chip)) => {
            let answers = product(version, edition.into(), chip);
            (answers.map_err(|why| Failure::new("SIG_ERR_AVAILABILITY", why))?, Vec::new())
        }
        (None, None, None) => (Feature::ALL.map(Feature::here).to_vec(), needs()?),
        _ => return Err(Failure::new("SIG_ERR_USAGE", text!("availability-together"))),
    };
    let missing = needs.iter().any(|need| need.required && !need.met);
    let available = !missing && answers.first().is_some_and(|tpm| tpm.available == Some(true));
    if output::is_json() {
        let features: Vec<Value> = answers
            .iter()
            .map(|answer| {
                let feature = answer.feature.as_str();
                json!({ "feature": feature, "available": answer.available, "says": answer.says })
            })
            .collect();
        let host: Vec<Value> = needs
            .iter()
            .map(|need| json!({ "what": need.what, "required": need.required, "met": need.met, "says": need.says }))
            .collect();
        say!("{}", json!({ "tpm": available, "features": features, "host": host }));
    } else {
        say(&answers, &needs, available);
    }
    Ok(if available { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn needs() -> Result<Vec<Need>, Failure> {
    let mut needs = this_host(&HostPolicy::of_this_host()?);
    let keychain = Kept::find()
        .and_then(|kept| kept.keychain.list().map_err(|error| Failure::new(error.code(), error.to_string())));
    let (met, says) = match keychain {
        Ok(records) => (true, text!("availability-keychain", count = records.len())),
        Err(failure) => (false, format!("{}: {}", failure.code, failure.text)),
    };
    needs.insert(needs.len().saturating_sub(1), Need { what: "keychain", required: true, met, says });
    Ok(needs)
}

fn say(answers: &[Answer], needs: &[Need], available: bool) {
    if !needs.is_empty() {
        say!("{:14}  {:10}  {}", text!("head-this-host"), "", text!("head-what"));
        for need in needs {
            let state = match (need.met, need.required) {
                (true, _) => paint(GOOD, words!("here")),
                (false, true) => paint(BAD, words!("missing")),
                (false, false) => paint(PLAIN, words!("need-not-needed")),
            };
            say!("{:14}  {state:10}  {}", need.what, need.says);
        }
        say!();
    }
    let features = output::width(38, answers.iter().map(|answer| answer.feature));
    say!("{:features$}  {:9}  {}", text!("head-feature"), text!("head-available"), text!("head-why"));
    for answer in answers {
        let state = match answer.available {
            Some(true) => paint(GOOD, words!("yes")),
            Some(false) => paint(BAD, words!("no")),
            None => paint(DOUBTFUL, words!("availability-unsaid")),
        };
        say!("{:features$}  {state:9}  {}", answer.feature.to_string(), answer.says);
    }
    if !needs.is_empty() && !available {
        say!("\n{}", text!("availability-not-here"));
    }
}
