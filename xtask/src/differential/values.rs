//! A value of each type of Part 2 that commands take: mostly right, sometimes at the edge, sometimes wrong.

use super::world::{Both, World, same};
use sigillo_crypto::hash::hash;
use sigillo_sample::Random;
use sigillo_types::{HashAlg, attributes::TpmaNv, attributes::TpmaObject, commands, handles::rh};

const KEYS: &str = include_str!("keys.tsv");

const SHA1: u16 = 0x0004;
const SHA256: u16 = 0x000B;
const SHA384: u16 = 0x000C;
const SHA512: u16 = 0x000D;
const NULL: u16 = 0x0010;

/// A TPM2B of these octets.
pub(crate) fn sized(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes(), octets].concat()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(crate) fn hash_alg(r: &mut Random) -> u16 {
    match r.below(40) {
        0 => NULL,
        1 => 0x0012,
        2 => 0x0001,
        3..10 => SHA1,
        10..16 => SHA384,
        16..20 => SHA512,
        _ => SHA256,
    }
}

/// One of few authValues, so that a wrong one is rare.
fn auth(r: &mut Random) -> Vec<u8> {
    match r.below(12) {
        0 => b"secret".to_vec(),
        1 => vec![7; 20],
        2 => vec![9; 32],
        3 => b"zero\0\0".to_vec(),
        4 => r.pick_any(&[33, 48, 64, 65, 1]).map_or(Vec::new(), |size| vec![5; size]),
        _ => Vec::new(),
    }
}

fn digest(r: &mut Random) -> Vec<u8> {
    let size = r.pick(&[0, 20, 32, 32, 32, 32, 48, 64, 1, 65]);
    let fill = r.octet() % 4;
    vec![fill; size]
}

fn data(r: &mut Random, max: usize) -> Vec<u8> {
    let size = match r.below(20) {
        0 => max,
        1 => max + 1,
        2..6 => 0,
        _ => 1 + r.below(max.min(100)),
    };
    r.octets(size)
}

fn pcr_selection(r: &mut Random) -> Vec<u8> {
    let count = r.pick(&[0_u32, 1, 1, 1, 2, 2, 3, 16, 17]);
    let mut out = count.to_be_bytes().to_vec();
    for _ in 0..count {
        out.extend(hash_alg(r).to_be_bytes());
        match r.below(16) {
            0 => out.extend([2, 1, 1]),
            1 => out.extend([4, 1, 0, 0, 0]),
            2 => out.extend([0]),
            _ => {
                let bits = r.pick_any(&[
                    [1, 0, 0],
                    [0, 0, 1],
                    [0x81, 0, 0],
                    [0, 0, 0x82],
                    [0, 0, 0],
                    [0xFF, 0xFF, 0xFF],
                ]);
                out.push(3);
                out.extend(bits.unwrap_or_default());
            }
        }
    }
    out
}

fn sym_object(r: &mut Random) -> Vec<u8> {
    match r.below(20) {
        0 => words(&[NULL]),
        1 => words(&[0x0006, 256, 0x0043]),
        2 => words(&[0x0006, 128, 0x0042]),
        3 => words(&[0x0006, 128, NULL]),
        4 => words(&[0x0006, 129, 0x0043]),
        5 => words(&[0x000A, SHA256]),
        6 => words(&[0x0006, 192, 0x0043]),
        _ => words(&[0x0006, 128, 0x0043]),
    }
}

fn sig_scheme(r: &mut Random) -> Vec<u8> {
    let hash = hash_alg(r);
    match r.below(12) {
        0 => words(&[0x0014, hash]),
        1 => words(&[0x0016, hash]),
        2 => words(&[0x0018, hash]),
        3 => words(&[0x0005, hash]),
        4 => words(&[0x0099]),
        5 => words(&[0x0015]),
        _ => words(&[NULL]),
    }
}

/// A public area's parameters and the attributes that go with them.
fn parameters(r: &mut Random, algorithm: u16, use_of_it: usize) -> Vec<u8> {
    let storage = use_of_it == 0;
    let odd = r.chance(12);
    let symmetric = if odd {
        sym_object(r)
    } else if storage {
        words(&[0x0006, 128, 0x0043])
    } else {
        words(&[NULL])
    };
    match algorithm {
        0x0001 => {
            let scheme = match use_of_it {
                1 if r.chance(60) => words(&[r.pick(&[0x0014, 0x0016]), hash_alg(r)]),
                2 if r.chance(30) => words(&[0x0015]),
                2 if r.chance(50) => words(&[0x0017, SHA256]),
                _ if odd => sig_scheme(r),
                _ => words(&[NULL]),
            };
            let bits = if odd { r.pick(&[1024, 3072, 2049]) } else { 2048 };
            let exponent = if odd { r.pick(&[3_u32, 65537, 65539, 1]) } else { 0 };
            [symmetric, scheme, words(&[bits]), exponent.to_be_bytes().to_vec()].concat()
        }
        0x0023 => {
            let scheme = match use_of_it {
                1 if r.chance(60) => words(&[0x0018, hash_alg(r)]),
                2 if r.chance(60) => words(&[0x0019, SHA256]),
                _ if odd => sig_scheme(r),
                _ => words(&[NULL]),
            };
            let curve = if r.chance(15) { r.pick(&[4, 4, 4, 0, 0x20]) } else { 3 };
            let kdf = if odd { r.pick(&[NULL, 0x0020, 0x0022, 0x0007]) } else { NULL };
            let kdf = if kdf == NULL { words(&[NULL]) } else { words(&[kdf, SHA256]) };
            [symmetric, scheme, words(&[curve]), kdf].concat()
        }
        0x0008 => match (use_of_it, odd) {
            (_, true) => match r.below(4) {
                0 => words(&[0x0005, hash_alg(r)]),
                1 => words(&[0x000A, SHA256, 0x0022]),
                2 => words(&[0x000A, SHA256, NULL]),
                _ => words(&[0x0014, SHA256]),
            },
            (0, _) => words(&[0x000A, SHA256, 0x0022]),
            (1, _) if r.chance(70) => words(&[0x0005, hash_alg(r)]),
            _ => words(&[NULL]),
        },
        _ => {
            if storage {
                words(&[0x0006, 128, 0x0043])
            } else {
                sym_object(r)
            }
        }
    }
}

/// A template: the contents of a TPM2B_PUBLIC.
pub(crate) fn template(r: &mut Random) -> Vec<u8> {
    let algorithm = match r.below(40) {
        0 => 0x0001,
        1 => 0x0010,
        2..14 => 0x0008,
        14..18 => 0x0025,
        _ => 0x0023,
    };
    // 0 storage or derivation parent, 1 signs, 2 decrypts, 3 both or sealed.
    let use_of_it = r.below(4);
    let mut attributes = TpmaObject::USER_WITH_AUTH
        | match use_of_it {
            0 => TpmaObject::RESTRICTED | TpmaObject::DECRYPT,
            1 => TpmaObject::SIGN,
            2 => TpmaObject::DECRYPT,
            _ if algorithm == 0x0008 => TpmaObject::empty(),
            _ => TpmaObject::SIGN | TpmaObject::DECRYPT,
        };
    if use_of_it == 1 && r.chance(20) {
        attributes |= TpmaObject::RESTRICTED;
    }
    if r.chance(70) {
        attributes |= TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT;
    }
    if r.chance(85) {
        attributes |= TpmaObject::NO_DA;
    }
    let sealed = algorithm == 0x0008 && use_of_it == 3;
    if !sealed {
        attributes |= TpmaObject::SENSITIVE_DATA_ORIGIN;
    }
    let mut bits = attributes.bits();
    if r.chance(10) {
        bits ^= 1 << r.below(20);
    }
    let name_alg = if r.chance(15) { hash_alg(r) } else { SHA256 };
    let policy = if r.chance(12) { digest(r) } else { Vec::new() };
    let unique = match algorithm {
        0x0023 => vec![0, 0, 0, 0],
        _ if r.chance(5) => sized(&digest(r)),
        _ => vec![0, 0],
    };
    [
        words(&[algorithm, name_alg]),
        bits.to_be_bytes().to_vec(),
        sized(&policy),
        parameters(r, algorithm, use_of_it),
        unique,
    ]
    .concat()
}

/// A key of the file, as `inPublic` and `inPrivate` of LoadExternal.
pub(crate) fn external(r: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let rows: Vec<Vec<&str>> =
        KEYS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    let row = rows.get(r.below(rows.len() + 2));
    let use_of_it = 1 + r.below(3);
    let mut attributes = TpmaObject::USER_WITH_AUTH
        | match use_of_it {
            1 => TpmaObject::SIGN,
            2 => TpmaObject::DECRYPT,
            _ => TpmaObject::SIGN | TpmaObject::DECRYPT,
        };
    if r.chance(80) {
        attributes |= TpmaObject::NO_DA;
    }
    let mut bits = attributes.bits();
    if r.chance(8) {
        bits ^= 1 << r.below(20);
    }
    let name_alg = if r.chance(20) { hash_alg(r) } else { SHA256 };
    let auth_value = if r.chance(20) { auth(r) } else { Vec::new() };
    let (algorithm, parameters, unique, private, seed) = match row.map(Vec::as_slice) {
        Some([kind, first, second, private]) => {
            let (first, second, private) = (unhex(first), unhex(second), unhex(private));
            match *kind {
                "p256" | "p384" => {
                    let mut parameters = parameters(r, 0x0023, use_of_it);
                    // The curve stands before the KDF, which is NULL or has a hash.
                    let end = parameters.len();
                    let kdf = if parameters.ends_with(&words(&[NULL])) { 2 } else { 4 };
                    if let Some(curve) = parameters.get_mut(end - kdf - 2..end - kdf) {
                        curve.copy_from_slice(&words(&[if *kind == "p256" { 3 } else { 4 }]));
                    }
                    (0x0023, parameters, [sized(&first), sized(&second)].concat(), private, Vec::new())
                }
                kind => {
                    let mut parameters = parameters(r, 0x0001, use_of_it);
                    let end = parameters.len();
                    let bits: u16 = if kind == "rsa2048" { 2048 } else { 1024 };
                    if let Some(field) = parameters.get_mut(end - 6..end - 4) {
                        field.copy_from_slice(&bits.to_be_bytes());
                    }
                    (0x0001, parameters, sized(&first), private, Vec::new())
                }
            }
        }
        _ => {
            let algorithm = if r.chance(50) { 0x0008 } else { 0x0025 };
            let parameters = parameters(r, algorithm, use_of_it);
            let key = vec![0x5A; if algorithm == 0x0008 { 1 + r.below(64) } else { 16 }];
            let seed = vec![0xA5; super::world::digest_size(name_alg)];
            let alg = HashAlg::ALL.into_iter().find(|alg| alg.id() == name_alg).unwrap_or(HashAlg::Sha256);
            let unique = hash(alg, &[&seed, &key]).to_vec();
            (algorithm, parameters, sized(&unique), key, seed)
        }
    };
    let public =
        [words(&[algorithm, name_alg]), bits.to_be_bytes().to_vec(), vec![0, 0], parameters, unique].concat();
    let sensitive = [words(&[algorithm]), sized(&auth_value), sized(&seed), sized(&private)].concat();
    (sized(&public), if r.chance(75) { sized(&sensitive) } else { vec![0, 0] })
}

fn unhex(text: &str) -> Vec<u8> {
    let octet = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    (0..text.len() / 2).filter_map(|index| octet(index * 2)).collect()
}

fn nv_public(r: &mut Random) -> Vec<u8> {
    let index = 0x0150_0000 + u32::try_from(r.below(5)).unwrap_or(0);
    let kind = r.pick(&[0_u32, 0, 0, 0, 1, 2, 4, 8, 9, 5]);
    let mut attributes = TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | TpmaNv::OWNERREAD | TpmaNv::OWNERWRITE;
    if r.chance(80) {
        attributes |= TpmaNv::NO_DA;
    }
    let mut bits = attributes.bits() | kind << 4;
    if r.chance(40) {
        bits ^= 1 << r.below(32);
    }
    if r.chance(20) {
        bits ^= 1 << r.below(32);
    }
    let name_alg = if r.chance(25) { hash_alg(r) } else { SHA256 };
    let size = match kind {
        1 | 2 | 8 | 9 => 8,
        4 => super::world::digest_size(name_alg),
        _ => r.pick(&[0, 1, 8, 32, 100, 1024, 1025, 2048, 2049, 4000]),
    };
    let size = if r.chance(4) { 7 } else { size };
    let policy = if r.chance(10) { digest(r) } else { Vec::new() };
    let size = u16::try_from(size).unwrap_or(0).to_be_bytes();
    sized(
        &[&index.to_be_bytes()[..], &name_alg.to_be_bytes(), &bits.to_be_bytes(), &sized(&policy), &size]
            .concat(),
    )
}

fn capability(r: &mut Random) -> u32 {
    r.pick(&[0_u32, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 0x100])
}

fn property(r: &mut Random) -> u32 {
    r.pick(&[
        0_u32,
        1,
        0x100,
        0x112,
        0x200,
        0x200,
        0x201,
        0x202,
        0x20E,
        0x0100_0000,
        0x0200_0000,
        0x0300_0000,
        0x4000_0000,
        0x8000_0000,
        0x8100_0000,
        0x9000_0000,
        0x0000_011F,
        0x4000_0001,
        3,
    ])
}

fn command_codes(r: &mut Random) -> Vec<u8> {
    let count = r.pick(&[0_u32, 0, 1, 2, 3]);
    let mut out = count.to_be_bytes().to_vec();
    for _ in 0..count {
        let code = commands::ALL.get(r.below(commands::ALL.len())).map_or(0x144, |spec| spec.code);
        out.extend(if r.chance(90) { code } else { 0x0200 }.to_be_bytes());
    }
    out
}

/// A value of the type a table names. `field` is the parameter's name, where two of the same type want different values.
pub(crate) fn value(kind: &str, field: &str, world: &World, r: &mut Random) -> Both {
    if kind == "TPM2B_NAME" && r.chance(85) {
        return name(world, r);
    }
    same(&plain(kind, field, r))
}

fn plain(kind: &str, field: &str, r: &mut Random) -> Vec<u8> {
    let small = |r: &mut Random, bound: usize| u32::try_from(r.below(bound)).unwrap_or(0);
    match kind {
        "TPM2B_DIGEST" | "TPM2B_OPERAND" | "TPM2B_NAME" => sized(&digest(r)),
        "TPM2B_DATA" => sized(&if r.chance(60) { Vec::new() } else { data(r, 66) }),
        "TPM2B_MAX_BUFFER" => sized(&data(r, 1024)),
        "TPM2B_MAX_NV_BUFFER" => {
            let size = r.pick(&[0, 1, 8, 8, 8, 32, 100, 1024, 1025]);
            let fill = r.octet() % 3;
            sized(&vec![fill; size])
        }
        "TPM2B_AUTH" => sized(&auth(r)),
        "TPM2B_NONCE" => {
            if field == "nonceTPM" && r.chance(80) {
                return vec![0, 0];
            }
            let size = r.pick(&[0, 15, 16, 20, 20, 32, 32, 48, 64, 65]);
            sized(&r.octets(size))
        }
        "TPM2B_SENSITIVE_DATA" => sized(&data(r, 128)),
        "TPM2B_IV" => sized(&vec![3; r.pick(&[16, 16, 16, 16, 0, 15, 17])]),
        "TPM2B_EVENT" => sized(&data(r, 1024)),
        "TPM2B_TIMEOUT" => sized(&vec![0; r.pick(&[8, 8, 0, 9])]),
        "TPM2B_PRIVATE" => sized(&data(r, 200)),
        "TPM2B_ID_OBJECT" => sized(&data(r, 60)),
        "TPM2B_ENCRYPTED_SECRET" => sized(&if r.chance(70) { Vec::new() } else { data(r, 256) }),
        "TPM2B_PUBLIC_KEY_RSA" => {
            let size = r.pick(&[0, 1, 20, 32, 100, 117, 128, 190, 191, 245, 246, 255, 256, 257]);
            let mut message = vec![0x42; size];
            if let Some(first) = message.first_mut() {
                *first = r.pick(&[0, 1, 0x42, 0xFF]);
            }
            sized(&message)
        }
        "TPM2B_SENSITIVE_CREATE" => {
            let sealed = if r.chance(70) { Vec::new() } else { data(r, 128) };
            sized(&[sized(&auth(r)), sized(&sealed)].concat())
        }
        "TPM2B_PUBLIC" | "TPM2B_TEMPLATE" => sized(&template(r)),
        "TPM2B_PUBLIC+" => external(r).0,
        "TPM2B_SENSITIVE" => external(r).1,
        "TPM2B_NV_PUBLIC" => nv_public(r),
        "TPM2B_ECC_POINT" => {
            let keys: Vec<Vec<&str>> = KEYS
                .lines()
                .filter(|line| line.starts_with('p'))
                .map(|line| line.split('\t').collect())
                .collect();
            match keys.get(r.below(keys.len() + 1)).map(Vec::as_slice) {
                Some([_, x, y, _]) => sized(&[sized(&unhex(x)), sized(&unhex(y))].concat()),
                _ => sized(&[sized(&[1; 32]), sized(&[2; 32])].concat()),
            }
        }
        "TPM2B_ECC_PARAMETER" => sized(&[1; 32]),
        "UINT16" => words(&[match field {
            "bytesRequested" => r.pick(&[0, 1, 32, 64, 65, 0xFFFF]),
            "offset" => r.pick(&[0, 0, 0, 0, 0, 1, 7, 8, 9, 2000]),
            _ => r.pick(&[0, 1, 4, 8, 8, 16, 32, 1024, 1025]),
        }]),
        "UINT32" => match field {
            "property" => property(r).to_be_bytes().to_vec(),
            "propertyCount" => r.pick(&[0_u32, 1, 2, 16, 64, 254, 0xFFFF_FFFF]).to_be_bytes().to_vec(),
            // libtpms takes any set, and the runs end there.
            "algorithmSet" => u32::from(r.chance(10)).to_be_bytes().to_vec(),
            "newMaxTries" => r.pick(&[0_u32, 1, 2, 3, 31, 1000]).to_be_bytes().to_vec(),
            // Minutes at least: what depends on the second that a command runs in would differ.
            "newRecoveryTime" | "lockoutRecovery" => {
                r.pick(&[0_u32, 600, 86400, 0xFFFF_FFFF]).to_be_bytes().to_vec()
            }
            _ => small(r, 40).to_be_bytes().to_vec(),
        },
        "INT32" => r.pick(&[0_i32, 0, 0, 0, -1000, 1000]).to_be_bytes().to_vec(),
        "UINT64" => match field {
            "newTime" => r.pick(&[0_u64, 1 << 40, u64::MAX]).to_be_bytes().to_vec(),
            _ => (1_u64 << r.below(64)).to_be_bytes().to_vec(),
        },
        "TPMI_YES_NO" => vec![r.pick(&[0, 1, 0, 1, 0, 1, 0, 1, 2])],
        "TPM_SU" => words(&[r.pick(&[0, 0, 0, 1, 1, 2])]),
        "TPM_SE" => vec![r.pick(&[0, 1, 1, 1, 3, 3, 2])],
        "TPM_EO" => words(&[u16::try_from(r.below(13)).unwrap_or(0)]),
        "TPM_CLOCK_ADJUST" => r.pick(&[-3_i8, 0, 0, 1, 3, 4]).to_be_bytes().to_vec(),
        "TPM_CAP" => capability(r).to_be_bytes().to_vec(),
        "TPM_CC" => commands::ALL
            .get(r.below(commands::ALL.len()))
            .map_or(0x200, |spec| if r.chance(95) { spec.code } else { 0x200 })
            .to_be_bytes()
            .to_vec(),
        "TPMA_LOCALITY" => vec![r.pick(&[1, 2, 3, 0x1F, 0, 0x20, 0x40, 8])],
        "TPMI_ALG_HASH" | "TPMI_ALG_HASH+" => {
            let hash = if r.chance(25) && kind.ends_with('+') { NULL } else { hash_alg(r) };
            words(&[hash])
        }
        "TPMI_ALG_CIPHER_MODE+" => {
            words(&[r.pick(&[NULL, NULL, 0x0043, 0x0042, 0x0040, 0x0041, 0x0044, 0x0001])])
        }
        "TPMI_ECC_CURVE" => words(&[r.pick(&[3, 4, 0, 0x1F, 1, 5, 0x10, 0x20])]),
        "TPMI_RH_HIERARCHY" | "TPMI_RH_ENABLES" => hierarchy(r).to_be_bytes().to_vec(),
        "TPMI_DH_PERSISTENT" => {
            (r.pick(&[0x8100_0000_u32, 0x8100_0001, 0x8180_0000, 0x8100_0000, 0x8000_0000]))
                .to_be_bytes()
                .to_vec()
        }
        "TPMT_SIG_SCHEME+" => sig_scheme(r),
        "TPMT_RSA_DECRYPT+" => match r.below(6) {
            0 => words(&[0x0015]),
            1 | 2 => words(&[0x0017, hash_alg(r)]),
            3 => words(&[0x0014, SHA256]),
            _ => words(&[NULL]),
        },
        "TPMT_KDF_SCHEME+" => words(&[NULL]),
        "TPMT_SYM_DEF_OBJECT+" => {
            if r.chance(60) {
                words(&[NULL])
            } else {
                sym_object(r)
            }
        }
        "TPMT_SYM_DEF+" => match r.below(8) {
            0 => words(&[0x0006, 128, 0x0043]),
            1 => words(&[0x000A, hash_alg(r)]),
            2 => words(&[0x0006, 256, 0x0043]),
            3 => words(&[0x0006, 128, r.pick(&[0x0042, NULL])]),
            _ => words(&[NULL]),
        },
        "TPMT_PUBLIC_PARMS" => {
            let algorithm = r.pick(&[0x0001, 0x0008, 0x0023, 0x0025, 0x0010]);
            let use_of_it = r.below(4);
            [words(&[algorithm]), parameters(r, algorithm, use_of_it)].concat()
        }
        "TPMT_SIGNATURE" => match r.below(4) {
            0 => [words(&[0x0014, SHA256]), sized(&[1; 256])].concat(),
            1 => [words(&[0x0018, SHA256]), sized(&[1; 32]), sized(&[2; 32])].concat(),
            2 => [words(&[0x0005, SHA256]), vec![3; 32]].concat(),
            _ => words(&[NULL]),
        },
        "TPMT_TK_HASHCHECK" => ticket(r, 0x8024),
        "TPMT_TK_VERIFIED" => ticket(r, 0x8022),
        "TPMT_TK_CREATION" => ticket(r, 0x8021),
        "TPMT_TK_AUTH" => {
            let tag = r.pick(&[0x8023, 0x8025]);
            ticket(r, tag)
        }
        "TPML_PCR_SELECTION" => pcr_selection(r),
        "TPML_DIGEST_VALUES" => {
            let count = r.pick(&[0_u32, 1, 1, 1, 2, 3, 17]);
            let mut out = count.to_be_bytes().to_vec();
            for _ in 0..count {
                let hash = hash_alg(r);
                out.extend(hash.to_be_bytes());
                out.extend(vec![r.octet(); super::world::digest_size(hash)]);
            }
            out
        }
        "TPML_DIGEST" => {
            let count = r.pick(&[0_u32, 1, 2, 2, 3, 8, 9]);
            [count.to_be_bytes().to_vec(), (0..count).flat_map(|_| sized(&digest(r))).collect()].concat()
        }
        "TPML_ALG" => [2_u32.to_be_bytes().to_vec(), words(&[hash_alg(r), 0x0006])].concat(),
        "TPML_CC" => command_codes(r),
        "TPMS_CONTEXT" => [
            vec![0, 0, 0, 0, 0, 0, 0, 1],
            0x8000_0000_u32.to_be_bytes().to_vec(),
            hierarchy(r).to_be_bytes().to_vec(),
            sized(&data(r, 100)),
        ]
        .concat(),
        "TPMI_DH_CONTEXT" => 0x8000_0000_u32.to_be_bytes().to_vec(),
        // Types of commands that are not compared.
        _ => Vec::new(),
    }
}

fn hierarchy(r: &mut Random) -> u32 {
    r.pick(&[
        rh::OWNER,
        rh::OWNER,
        rh::NULL,
        rh::NULL,
        rh::ENDORSEMENT,
        rh::PLATFORM,
        rh::PLATFORM_NV,
        rh::LOCKOUT,
        0,
    ])
}

fn ticket(r: &mut Random, tag: u16) -> Vec<u8> {
    let tag = if r.chance(95) { tag } else { 0x8029 };
    let body = if r.chance(70) { Vec::new() } else { vec![4; r.pick(&[32, 20, 64, 65])] };
    let hierarchy = if body.is_empty() { rh::NULL } else { hierarchy(r) };
    [words(&[tag]), hierarchy.to_be_bytes().to_vec(), sized(&body)].concat()
}

/// The Name of something that is there.
fn name(world: &World, r: &mut Random) -> Both {
    let known: Vec<_> = world.entities.iter().filter(|(_, entity)| !entity.public[0].is_empty()).collect();
    match known.get(r.below(known.len())) {
        Some((_, entity)) => entity.public.clone().map(|public| sized(&name_of(&public))),
        None => same(&sized(&rh::OWNER.to_be_bytes())),
    }
}

/// nameAlg and the digest of a public area.
pub(crate) fn name_of(public: &[u8]) -> Vec<u8> {
    let id = super::world::word(public, 2).unwrap_or(NULL);
    match HashAlg::ALL.into_iter().find(|alg| alg.id() == id) {
        Some(alg) => [&id.to_be_bytes()[..], &hash(alg, &[public])].concat(),
        None => Vec::new(),
    }
}
