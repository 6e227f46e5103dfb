//! `sigillo tpm inspect` and `sigillo tpm diff`: what they show of a TPM whose secrets are known, and that they show none of these and
//! change nothing. Needs Debian's `ovmf`.
mod place;

use place::Place;
use sigillo_client::{Auth, Client, Transport, template};
use sigillo_engine::{EntropyUnavailable, Host, Profile, Tpm};
use sigillo_server::{
    blob::{self, BlobKeys},
    control::BlobKind,
    key::KeyMaterial,
};
use sigillo_types::{
    HashAlg,
    attributes::{NvType, TpmaNv},
    buffers::{Tpm2bAuth, Tpm2bData, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bSensitiveData},
    commands::{
        CreatePrimary, DictionaryAttackParameters, EvictControl, HierarchyChangeAuth, NvDefineSpace, NvWrite,
        PcrExtend, Shutdown, Startup,
    },
    constants::StartupType,
    handles::{
        Hierarchy, HierarchyAuthHandle, NvAuthHandle, NvIndexHandle, NvLegacyIndexHandle, ObjectHandle,
        PcrHandle, PersistentHandle, ProvisionHandle,
    },
    structures::{
        Tpm2bNvPublic, Tpm2bPublic, Tpm2bSensitiveCreate, TpmlDigestValues, TpmlPcrSelection, TpmsNvPublic,
        TpmsSensitiveCreate, TpmtHa,
    },
};
use std::{convert::Infallible, fs, os::unix::fs::symlink};

const OWNER: &[u8] = b"ownerauth-ownerauth";
const KEY: &[u8] = b"keyauth-keyauth";
const INDEX: &[u8] = b"indexauth-indexauth";
const CLOSED: &[u8] = b"closed contents!";
const OPEN: &[u8] = b"read by everyone";

struct TestHost;

impl Host for TestHost {
    fn monotonic_ms(&mut self) -> u64 {
        0
    }

    fn entropy(&mut self, out: &mut [u8]) -> Result<(), EntropyUnavailable> {
        getrandom::fill(out).map_err(|_| EntropyUnavailable)
    }
}

/// A TPM in this process.
struct Local(Tpm);

impl Transport for Local {
    type Error = Infallible;

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Infallible> {
        Ok(self.0.execute(0, command, &mut TestHost).stored())
    }
}

type TestTpm = Client<Local>;

fn started() -> TestTpm {
    let mut tpm = Tpm::manufacture(Profile::pc_client(), &mut TestHost).unwrap();
    tpm.init(&mut TestHost);
    let mut client = Client::new(Local(tpm));
    client.call(&Startup { startup_type: StartupType::Clear }).unwrap();
    client
}

fn index(tpm: &mut TestTpm, raw: u32, auth: &[u8], contents: &[u8]) {
    let nv_public = TpmsNvPublic {
        nv_index: NvLegacyIndexHandle::new(raw).unwrap(),
        name_alg: HashAlg::Sha256,
        attributes: (TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | TpmaNv::NO_DA).with_nt(NvType::Ordinary),
        auth_policy: Tpm2bDigest::default(),
        data_size: contents.len().try_into().unwrap(),
    };
    let define = NvDefineSpace {
        auth_handle: ProvisionHandle::Owner,
        auth: Tpm2bAuth::new(auth).unwrap(),
        public_info: Tpm2bNvPublic { nv_public },
    };
    tpm.call(&define).unwrap();
    let write = NvWrite {
        auth_handle: NvAuthHandle::new(raw).unwrap(),
        nv_index: NvIndexHandle::new(raw).unwrap(),
        data: Tpm2bMaxNvBuffer::new(contents).unwrap(),
        offset: 0,
    };
    tpm.call_with(&write, &mut [Auth::password(auth)]).unwrap();
}

/// One with a key, two indices and secrets of every kind.
fn furnished() -> TestTpm {
    let mut tpm = started();
    index(&mut tpm, 0x0150_0001, INDEX, CLOSED);
    index(&mut tpm, 0x01C0_0002, b"", OPEN);
    let sensitive =
        TpmsSensitiveCreate { user_auth: Tpm2bAuth::new(KEY).unwrap(), data: Tpm2bSensitiveData::default() };
    let made = tpm
        .call(&CreatePrimary {
            primary_handle: Hierarchy::Owner,
            in_sensitive: Tpm2bSensitiveCreate { sensitive },
            in_public: Tpm2bPublic { public_area: template::ecc_storage() },
            outside_info: Tpm2bData::default(),
            creation_pcr: TpmlPcrSelection::default(),
        })
        .unwrap();
    tpm.call(&EvictControl {
        auth: ProvisionHandle::Owner,
        object_handle: ObjectHandle::new(made.object_handle).unwrap(),
        persistent_handle: PersistentHandle::new(0x8100_0001).unwrap(),
    })
    .unwrap();
    let new_auth = Tpm2bAuth::new(OWNER).unwrap();
    tpm.call(&HierarchyChangeAuth { auth_handle: HierarchyAuthHandle::Owner, new_auth }).unwrap();
    tpm.call(&Shutdown { shutdown_type: StartupType::State }).unwrap();
    tpm
}

fn state(tpm: &mut TestTpm) -> Vec<u8> {
    tpm.transport().0.permanent_state().to_vec()
}

/// A byte string of a saved state, by the numbers of the maps and the places in the arrays that lead to it. ADR 0004.
fn octets_at(state: &[u8], path: &[u64]) -> Vec<u8> {
    let mut decoder = minicbor::Decoder::new(&state[20..]);
    for wanted in path {
        if decoder.datatype().unwrap() == minicbor::data::Type::Array {
            decoder.array().unwrap();
            (0..*wanted).for_each(|_| decoder.skip().unwrap());
            continue;
        }
        let count = decoder.map().unwrap().unwrap();
        let found = (0..count).any(|_| {
            let is_it = decoder.u64().unwrap() == *wanted;
            if !is_it {
                decoder.skip().unwrap();
            }
            is_it
        });
        assert!(found, "{path:?}");
    }
    decoder.bytes().unwrap().to_vec()
}

/// Seeds, proofs, private parts, authValues and closed contents of [`furnished`].
fn secrets(state: &[u8]) -> Vec<Vec<u8>> {
    let persistent = [[3, 0], [3, 1], [3, 2]]
        .into_iter()
        .flat_map(|hierarchy| [0, 1].map(|field| octets_at(state, &[&hierarchy[..], &[field]].concat())));
    // What TPM2_Shutdown(STATE) saved: the null hierarchy's.
    let null = [0, 1].map(|field| octets_at(state, &[8, 1, field]));
    let sensitive = octets_at(state, &[7, 0, 1, 1]);
    let parts = [OWNER, KEY, INDEX, CLOSED].map(<[u8]>::to_vec);
    persistent.chain(null).chain([sensitive]).chain(parts).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[track_caller]
fn shows_none_of(said: &str, secrets: &[Vec<u8>]) {
    let lower = said.to_lowercase();
    for secret in secrets {
        assert!(secret.len() >= 15, "{}", secret.len());
        assert!(!said.as_bytes().windows(secret.len()).any(|window| window == secret));
        for window in secret.windows(8).filter(|window| window.iter().any(|octet| *octet != 0)) {
            assert!(!lower.contains(&hex(window)), "{} is shown", hex(window));
            let list = window.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
            assert!(!said.contains(&list), "{list} is shown");
        }
    }
}

#[test]
fn a_tpm_is_shown_with_everything_but_its_secrets_and_nothing_changes() {
    let place = Place::with_demo();
    let state = state(&mut furnished());
    place.commit(&state);
    let mut secrets = secrets(&state);
    assert_eq!(secrets.iter().map(Vec::len).filter(|len| *len == 64).count(), 8, "seeds and proofs");
    secrets.push(place.record().secret.expose().to_vec());
    let before = place.picture();
    let inspect = ["tpm", "inspect", "demo"];
    let (text, json) = (place.ok(&inspect), place.ok(&[&inspect[..], &["--json"]].concat()));
    let shown = place.ok(&[&inspect[..], &["--json", "--show-nv-contents"]].concat());
    let diff = place.ok(&["tpm", "diff", "demo", "demo", "--json"]);
    for said in [&text, &json, &shown, &diff] {
        shows_none_of(said, &secrets);
    }
    assert_eq!(place.picture(), before);

    let facts: serde_json::Value = serde_json::from_str(&json).unwrap();
    let tpm = &facts["tpm"];
    assert_eq!(
        (&tpm["profile"], &tpm["goes_on"]),
        (&"pc-client".into(), &"after TPM2_Shutdown(STATE)".into())
    );
    let owner = &tpm["hierarchies"][0];
    assert_eq!(
        (&owner["name"], &owner["auth"], &owner["policy"], &owner["enabled"]),
        (&"owner".into(), &"set".into(), &"none".into(), &true.into())
    );
    let object = &tpm["persistent_objects"][0];
    assert_eq!(
        (&object["handle"], &object["type"], &object["curve"], &object["symmetric"]),
        (&"0x81000001".into(), &"ecc".into(), &"nist_p256".into(), &"aes 128 cfb".into())
    );
    assert_eq!((&object["usual_purpose"], &object["auth"]), (&"storage root key".into(), &"set".into()));
    let indices = tpm["nv_indices"].as_array().unwrap();
    assert_eq!(indices.len(), 2);
    assert_eq!((&indices[0]["size"], &indices[0]["auth"]), (&16.into(), &"set".into()));
    assert_eq!(indices[1]["certificate"], "the 16 octets are no X.509 certificate");
    assert!(indices[1].get("contents").is_none());
    let contents: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(contents["tpm"]["nv_indices"][1]["contents"], hex(OPEN));
    assert!(contents["tpm"]["nv_indices"][0].get("contents").is_none());
    let bank = &tpm["pcr_banks"].as_array().unwrap().iter().find(|bank| bank["hash"] == "sha256").unwrap();
    assert_eq!(bank["allocated"].as_array().unwrap().len(), 24);
    assert_eq!(bank["values"][0]["value"], "00".repeat(32));
    assert_eq!(tpm["dictionary_attack"]["failed_tries"], 0);

    let store = &facts["store"];
    assert_eq!((&store["format"], &store["cipher"]), (&1.into(), &"AES-128-GCM".into()));
    assert_eq!(store["keys"].as_array().unwrap().len(), 2);
    assert_eq!(store["amiss"].as_array().unwrap().len(), 0);
    assert!(store["history"].as_str().unwrap().contains("newest"), "{store}");
    for words in ["persistent objects", "0x81000001", "dictionary attack", "generation", "pcr banks"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // The password was read, and that leaves a line.
    assert!(place.ok(&["audit", "show"]).contains("to look into its TPM"));
}

#[test]
fn a_store_that_is_older_than_the_newest_one_seen_is_told() {
    let place = Place::with_demo();
    let old = fs::read(place.store()).unwrap();
    let mut tpm = furnished();
    place.commit(&state(&mut tpm));
    let anchors = sigillo_keychain::anchor::Anchors::at(&place.kept());
    let record = place.record();
    let store =
        sigillo_store::Store::open(&place.store(), &sigillo_store::Key::Password(record.secret)).unwrap();
    anchors.accept(record.name.vm_uuid(), &store).unwrap();
    drop(store);
    fs::write(place.store(), old).unwrap();
    let facts = place.json(&["tpm", "inspect", "demo", "--json"]);
    assert!(facts["store"]["history"].as_str().unwrap().starts_with("rolled back"), "{facts}");
    assert_eq!(facts["store"]["history_commits"], 1);
    // Any other file is found by its key; a copy has the same anchor.
    let copy = place.dir.path().join("copy");
    fs::copy(place.store(), &copy).unwrap();
    let facts = place.json(&["tpm", "inspect", "--store", copy.to_str().unwrap(), "--json"]);
    assert!(facts["store"]["history"].as_str().unwrap().starts_with("rolled back"), "{facts}");
}

#[test]
fn two_states_differ_by_what_a_guest_did_in_between_and_diff_ends_as_diff_does() {
    let place = Place::with_demo();
    let mut tpm = furnished();
    place.commit(&state(&mut tpm));
    let before = place.dir.path().join("before");
    fs::copy(place.store(), &before).unwrap();
    let before = before.to_str().unwrap();
    let diff = ["tpm", "diff", before, "demo"];
    assert_eq!(place.ends(&diff), (0, String::new()));

    tpm.call_with(
        &DictionaryAttackParameters {
            lock_handle: sigillo_types::handles::LockoutHandle::Lockout,
            new_max_tries: 7,
            new_recovery_time: 60,
            lockout_recovery: 60,
        },
        &mut [Auth::password(b"")],
    )
    .unwrap();
    let write = NvWrite {
        auth_handle: NvAuthHandle::new(0x0150_0001).unwrap(),
        nv_index: NvIndexHandle::new(0x0150_0001).unwrap(),
        data: Tpm2bMaxNvBuffer::new(b"another secret..").unwrap(),
        offset: 0,
    };
    tpm.call_with(&write, &mut [Auth::password(INDEX)]).unwrap();
    place.commit(&state(&mut tpm));
    let (code, said) = place.ends(&diff);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("~ dictionary attack / max tries: "), "{said}");
    assert!(said.contains("~ nv indices / 0x01500001 / contents octets: another one (not shown)"), "{said}");
    assert!(!said.contains("two TPMs"), "{said}");
    shows_none_of(&said, &secrets(&state(&mut furnished()))[..8]);
    assert!(!said.contains("another secret") && !said.contains(&hex(b"another secret")), "{said}");

    place.commit(&state(&mut started()));
    let (code, said) = place.ends(&diff);
    assert_eq!(code, 1);
    assert!(said.contains("these are two TPMs"), "{said}");
    assert!(
        said.contains("- nv indices / 0x01500001: ") && said.contains("- persistent objects / 0x81000001"),
        "{said}"
    );
    let (code, json) = place.ends(&[&diff[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["same_tpm"]), (1, &false.into()));
    let gone = place.ends(&["tpm", "diff", "demo", "./nothing"]);
    assert_eq!(gone.0, 3, "{}", gone.1);
    assert!(gone.1.starts_with("sigillo: SIG_ERR_STORE_NOT_FOUND: "), "{}", gone.1);
    assert_eq!(place.ends(&["tpm", "diff", "demo", "nobody"]).0, 3);
}

#[test]
fn states_and_stores_that_are_cut_or_changed_are_errors_and_stay_as_they_are() {
    let place = Place::with_demo();
    let whole = state(&mut furnished());
    let inspect = ["tpm", "inspect", "demo"];
    let refused = |code: &str| {
        let before = place.picture();
        let said = place.refused(&inspect, code);
        assert_eq!(place.picture(), before);
        said
    };
    for (damaged, words) in [
        (whole[..whole.len() / 2].to_vec(), "damaged"),
        (b"no state at all".to_vec(), "not the state"),
        ([&whole[..15], &[9], &whole[16..]].concat(), "newer"),
    ] {
        place.commit(&damaged);
        let said = refused("SIG_ERR_TPM_STATE");
        assert!(said.contains(words) && said.contains("only read"), "{said}");
    }
    for at in (20..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0xFF;
        place.commit(&flipped);
        // It may be a value that is possible; it is never a panic.
        let (code, said) = place.ends(&inspect);
        assert!(code == 0 || code == 1 && said.starts_with("sigillo: SIG_ERR_TPM_STATE: "), "{at}: {said}");
    }
    place.commit(&whole);
    let store = fs::read(place.store()).unwrap();
    let mut bad = store.clone();
    for copy in [0, 4096] {
        bad[copy + 60] ^= 1;
    }
    fs::write(place.store(), &bad).unwrap();
    refused("SIG_ERR_STORE_DAMAGED");
    fs::write(place.store(), &store[..store.len() / 2]).unwrap();
    refused("SIG_ERR_STORE_DAMAGED");
    // One header copy that is damaged is repaired by a start and by nothing else.
    let mut one = store.clone();
    one[60] ^= 1;
    fs::write(place.store(), &one).unwrap();
    let before = place.picture();
    let facts = place.json(&["tpm", "inspect", "demo", "--json"]);
    assert!(facts["store"]["amiss"][0].as_str().unwrap().contains("header"), "{facts}");
    assert_eq!(place.picture(), before);
    let elsewhere = place.dir.path().join("elsewhere");
    fs::rename(place.store(), &elsewhere).unwrap();
    refused("SIG_ERR_STORE_NOT_FOUND");
    symlink(&elsewhere, place.store()).unwrap();
    refused("SIG_ERR_STORE_UNSAFE");
}

#[test]
fn a_suspended_tpm_is_shown_as_it_runs_and_only_its_password_opens_that_state() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo"]);
    let code = place.json(&["tpm", "add", "demo", "--json"])["recovery_code"].as_str().unwrap().to_owned();
    let mut tpm = started();
    let digests = TpmlDigestValues::new(vec![TpmtHa::Sha256([7; 32])]).unwrap();
    tpm.call(&PcrExtend { pcr_handle: Some(PcrHandle::new(7).unwrap()), digests }).unwrap();
    place.commit(&state(&mut tpm));
    let volatile = tpm.transport().0.volatile_state();
    let password = KeyMaterial::Random(place.record().secret);
    let keys = BlobKeys { state: Some(password), migration: None };
    let packed = blob::pack(BlobKind::Volatile, &volatile, &keys, false).unwrap();
    fs::write(place.bundle().join("tpm.store.volatile"), &*packed).unwrap();
    let before = place.picture();
    let facts = place.json(&["tpm", "inspect", "demo", "--json"]);
    assert_eq!(
        (&facts["store"]["suspended"], &facts["tpm"]["goes_on"]),
        (&"yes".into(), &"where it was suspended".into())
    );
    let pcr = |facts: &serde_json::Value| {
        let bank = facts["tpm"]["pcr_banks"].as_array().unwrap().iter().find(|bank| bank["hash"] == "sha256");
        bank.unwrap()["values"].as_array().map(|values| values[7]["value"].clone())
    };
    assert_ne!(pcr(&facts).unwrap(), "00".repeat(32));

    let file = place.dir.path().join("code");
    fs::write(&file, code).unwrap();
    let facts = place.json(&["tpm", "inspect", "demo", "--json", "--from-file", file.to_str().unwrap()]);
    assert!(facts["store"]["suspended"].as_str().unwrap().contains("not read"), "{facts}");
    assert_eq!((pcr(&facts), &facts["tpm"]["hierarchies"][0]["enabled"]), (None, &serde_json::Value::Null));
    assert_eq!(place.picture(), before);
}

#[test]
fn without_its_record_a_store_takes_the_recovery_code() {
    let place = Place::empty();
    place.ok(&["vm", "create", "demo"]);
    let code = place.json(&["tpm", "add", "demo", "--json"])["recovery_code"].as_str().unwrap().to_owned();
    let name = place.record().name.to_string();
    place.ok(&["keychain", "delete", &name, "--yes"]);
    place.refused(&["tpm", "inspect", "demo"], "SIG_ERR_STORE_NEEDS_KEY");
    let file = place.dir.path().join("code");
    fs::write(&file, format!("{code}\n")).unwrap();
    let said = place.ok(&["tpm", "inspect", "demo", "--from-file", file.to_str().unwrap()]);
    assert!(said.contains("pc-client") && !said.contains(&code), "{said}");
    place.ok(&["vm", "create", "none"]);
    place.refused(&["tpm", "inspect", "none"], "SIG_ERR_TPM_NONE");
}

#[test]
fn a_snapshots_tpm_is_shown_as_it_was_and_told_to_be_older() {
    let place = Place::with_demo();
    place.ok(&["vm", "snapshot", "create", "demo", "then"]);
    let then = place.json(&["tpm", "inspect", "demo", "--json"]);
    place.commit(&state(&mut furnished()));
    let inspect = ["tpm", "inspect", "demo", "--snapshot", "then", "--json"];
    let shown = place.json(&inspect);
    assert_eq!(shown["tpm"], then["tpm"]);
    assert_eq!(shown["store"]["generation"], then["store"]["generation"]);
    let now = place.json(&["tpm", "inspect", "demo", "--json"]);
    assert_ne!(now["store"]["generation"], shown["store"]["generation"]);
    assert!(shown["store"]["path"].as_str().unwrap().contains("/snapshots/"), "{shown}");
    place.refused(&["tpm", "inspect", "demo", "--snapshot", "never"], "SIG_ERR_SNAPSHOT_NOT_FOUND");
    place.ok(&["vm", "create", "plain"]);
    place.ok(&["vm", "snapshot", "create", "plain", "then"]);
    place.refused(&["tpm", "inspect", "plain", "--snapshot", "then"], "SIG_ERR_TPM_NONE");
    assert_eq!(place.ends(&["tpm", "inspect", "--snapshot", "then", "--store", "x"]).0, 2);
}
