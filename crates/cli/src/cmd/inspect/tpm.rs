//! A TPM's inventory as facts.
use super::{
    facts::{Facts, is, octets},
    words::{self},
};
use sigillo_messages::{Words, text, words};
use sigillo_server::machine::inventory::{
    HierarchyView, Inventory, NvIndexView, ObjectView, PcrBank, Resumes,
};
use sigillo_types::{HashAlg, buffers::Tpm2bDigest, handles::Hierarchy};
use sigillo_vm::certificate::Certificate;

pub(super) fn facts(tpm: &Inventory, show_nv_contents: bool) -> Facts {
    let da = &tpm.dictionary_attack;
    let clock = &tpm.clock;
    let resumes = match tpm.resumes {
        Resumes::AfterPowerLoss => words!("resumes-power-loss"),
        Resumes::AfterShutdownClear => words!("resumes-clear"),
        Resumes::AfterShutdownState => words!("resumes-state"),
        Resumes::Running => words!("resumes-running"),
    };
    Facts::Group(vec![
        ("identity", Facts::Hidden(Some(tpm.tpm))),
        ("profile", is(tpm.profile)),
        ("goes_on", is(resumes.to_string())),
        (
            "clock",
            Facts::Group(vec![
                ("clock_ms", is(clock.clock_ms)),
                ("safe", is(clock.safe)),
                ("reset_count", is(clock.reset_count)),
                ("restart_count", is(clock.restart_count)),
                ("total_reset_count", is(clock.total_reset_count)),
            ]),
        ),
        (
            "hierarchies",
            Facts::List {
                by: "name",
                items: vec![
                    ("owner".to_owned(), hierarchy(&tpm.owner)),
                    ("endorsement".to_owned(), hierarchy(&tpm.endorsement)),
                    ("platform".to_owned(), hierarchy(&tpm.platform)),
                    ("lockout".to_owned(), hierarchy(&tpm.lockout)),
                ],
            },
        ),
        ("clear_disabled", is(tpm.disable_clear)),
        ("endorsement_seed_of_the_tpm", is(tpm.tpm_generated_eps)),
        (
            "dictionary_attack",
            Facts::Group(vec![
                ("failed_tries", is(da.failed_tries)),
                ("max_tries", is(da.max_tries)),
                ("recovery_time_s", is(da.recovery_time_s)),
                ("lockout_recovery_s", is(da.lockout_recovery_s)),
                ("locked_out", is(da.in_lockout)),
                ("lockout_auth_usable", is(da.lockout_auth_enabled)),
            ]),
        ),
        (
            "persistent_objects",
            Facts::List {
                by: "handle",
                items: tpm.objects.iter().map(|it| (handle(it.handle), object(it))).collect(),
            },
        ),
        ("nv_bytes", is(tpm.nv_bytes)),
        ("nv_bytes_used", is(tpm.nv_used)),
        (
            "nv_indices",
            Facts::List {
                by: "handle",
                items: tpm
                    .indices
                    .iter()
                    .map(|it| (handle(it.handle), index(it, show_nv_contents)))
                    .collect(),
            },
        ),
        (
            "pcr_banks",
            Facts::List { by: "hash", items: tpm.banks.iter().map(|it| (hash(it.hash), bank(it))).collect() },
        ),
        (
            "command_audit",
            Facts::Group(vec![
                ("hash", is(hash(tpm.audit_hash))),
                ("commands", is(tpm.audited_commands)),
                ("counter", is(tpm.audit_counter)),
            ]),
        ),
        ("transient_objects", is(tpm.transient)),
        ("sessions", is(tpm.sessions)),
    ])
}

fn handle(handle: u32) -> String {
    format!("{handle:#010x}")
}

fn hash(hash: HashAlg) -> String {
    words::algorithm(hash.id())
}

/// A policy digest, or none: it is no secret, anybody in the guest can ask for it.
fn policy(digest: &Tpm2bDigest) -> Facts {
    if digest.is_empty() { is(text!("none-there")) } else { octets(digest) }
}

fn set_or_empty(set: bool) -> String {
    if set { text!("set") } else { text!("empty") }
}

fn auth(set: Option<bool>) -> Facts {
    set.map_or(Facts::Unknown(AT_STARTUP), |set| is(set_or_empty(set)))
}

/// Of what TPM2_Startup makes anew.
const AT_STARTUP: Words = words!("at-startup");

fn hierarchy(of: &HierarchyView) -> Facts {
    let (alg, digest) = match &of.policy {
        Some((alg, digest)) => (Some(hash(*alg)), octets(digest)),
        None => (None, is(text!("none-there"))),
    };
    // The lockout authorization has no seed, and is always there.
    let enabled = match (of.seed, of.enabled) {
        (None, _) => is(true),
        (Some(_), Some(enabled)) => is(enabled),
        (Some(_), None) => Facts::Unknown(AT_STARTUP),
    };
    Facts::Group(vec![
        ("enabled", enabled),
        ("auth", auth(of.auth_set)),
        ("policy", digest),
        ("policy_hash", is(alg)),
        ("derivation_level", is(of.derivation_level)),
        ("primary_seed", Facts::Hidden(of.seed)),
        ("proof", Facts::Hidden(of.proof)),
        ("auth_value", Facts::Hidden(Some(of.auth))),
    ])
}

fn object(of: &ObjectView) -> Facts {
    let hierarchy = match of.hierarchy {
        Hierarchy::Owner => "owner",
        Hierarchy::Endorsement => "endorsement",
        Hierarchy::Platform => "platform",
        Hierarchy::Null => "null",
    };
    let mut all = vec![
        ("usual_purpose", is(words::usual_purpose(of.handle).map(|words| words.to_string()))),
        ("name", octets(&of.name)),
        ("qualified_name", octets(&of.qualified_name)),
        ("hierarchy", is(hierarchy)),
        ("primary", is(of.primary)),
    ];
    all.extend(words::parameters(&of.public).into_iter().map(|(name, value)| (name, is(value))));
    all.extend([
        ("name_hash", is(of.public.name_alg.map(hash))),
        ("attributes", is(words::object_attributes(of.public.object_attributes))),
        ("policy", policy(&of.public.auth_policy)),
        ("auth", is(of.auth_set.map(set_or_empty))),
        ("sensitive_area", Facts::Hidden(of.sensitive)),
    ]);
    Facts::Group(all)
}

fn index(of: &NvIndexView, show_contents: bool) -> Facts {
    let readable = match (&of.contents, of.contents_fingerprint) {
        (Some(_), _) => words!("readable-all"),
        (None, Some(_)) => words!("readable-secret"),
        (None, None) => words!("readable-unwritten"),
    };
    let mut all = vec![
        ("usual_purpose", is(words::usual_purpose(of.handle).map(|words| words.to_string()))),
        ("name", octets(&of.name)),
        ("type", is(words::nv_type(of.attributes))),
        ("attributes", is(words::nv_attributes(of.attributes))),
        ("size", is(of.size)),
        ("name_hash", is(hash(of.name_alg))),
        ("policy", policy(&of.auth_policy)),
        ("auth", auth(Some(of.auth_set))),
        ("readable", is(readable.to_string())),
    ];
    if let Some(contents) = of.contents.as_deref().filter(|_| words::holds_certificate(of.handle)) {
        all.push((
            "certificate",
            match Certificate::parse(contents) {
                Some(found) => Facts::Group(vec![
                    ("subject", is(found.subject)),
                    ("issuer", is(found.issuer)),
                    ("serial", is(found.serial)),
                    ("not_before", is(found.not_before)),
                    ("not_after", is(found.not_after)),
                    ("bytes", is(found.len)),
                ]),
                None => is(text!("no-certificate", octets = contents.len())),
            },
        ));
    }
    if let Some(contents) = of.contents.as_deref().filter(|_| show_contents) {
        all.push(("contents", octets(contents)));
    }
    all.extend([
        ("contents_octets", Facts::Hidden(of.contents_fingerprint)),
        ("auth_value", Facts::Hidden(Some(of.auth))),
    ]);
    Facts::Group(all)
}

fn bank(of: &PcrBank) -> Facts {
    let allocated: Vec<u32> = of.allocated.iter().map(sigillo_types::handles::PcrHandle::raw).collect();
    let pcr = |(pcr, value): &(u32, Vec<u8>)| (pcr.to_string(), Facts::Group(vec![("value", octets(value))]));
    let values = if of.values.is_empty() && !of.allocated.is_empty() {
        Facts::Unknown(words!("not-without-power"))
    } else {
        Facts::List { by: "pcr", items: of.values.iter().map(pcr).collect() }
    };
    Facts::Group(vec![("allocated", is(allocated)), ("values", values)])
}
