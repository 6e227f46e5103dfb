//! What the TPM process says about itself, as JSON.

use serde_json::{Map, Value, json};

use crate::bytes::len_from_u32;
use crate::control::MAX_INFO_CHUNK;

/// GET_INFO: the specification's family, level and revision.
pub const SPECIFICATION: u64 = 0x01;
/// GET_INFO: manufacturer, model and firmware version, as a certificate names them.
pub const ATTRIBUTES: u64 = 0x02;
/// GET_INFO: key sizes.
pub const FEATURES: u64 = 0x04;

/// How a certificate names this TPM: TCG EK Credential Profile 2.5, 3.2.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// TPM_PT_MANUFACTURER.
    pub manufacturer: u32,
    /// TPM_PT_VENDOR_STRING_1 to 4, without their NULs.
    pub model: &'static str,
    /// TPM_PT_FIRMWARE_VERSION_1.
    pub firmware: u32,
}

/// As the engine's GetCapability says it.
pub const ATTRIBUTES_OF_THIS_TPM: Attributes =
    Attributes { manufacturer: 0x5347_4c4f, model: "sigillo vTPM", firmware: 0x0000_0001 };

/// The JSON object GET_INFO answers for a mask; facts this TPM has nothing to say about are absent.
pub fn facts(mask: u64, attributes: &Attributes) -> Value {
    let mut out = Map::new();
    if mask & SPECIFICATION != 0 {
        out.insert("TPMSpecification".into(), json!({"family": "2.0", "level": 0, "revision": 185}));
    }
    if mask & ATTRIBUTES != 0 {
        out.insert(
            "TPMAttributes".into(),
            json!({
                "manufacturer": format!("id:{:08X}", attributes.manufacturer),
                "version": format!("id:{:08X}", attributes.firmware),
                "model": attributes.model,
            }),
        );
    }
    if mask & FEATURES != 0 {
        out.insert("TPMFeatures".into(), json!({"RSAKeySizes": [2048, 3072]}));
    }
    Value::Object(out)
}

/// The part of a text, with its NUL, that starts at `offset`: its whole length and the bytes. `None` past the end.
pub fn chunk(text: &str, offset: u32) -> Option<(u32, Vec<u8>)> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    let rest = bytes.get(len_from_u32(offset)..)?;
    let part = rest.get(..MAX_INFO_CHUNK).unwrap_or(rest);
    Some((u32::try_from(bytes.len()).ok()?, part.to_vec()))
}

/// `--print-capabilities`: what libvirt and swtpm_setup may ask of this program. A feature that is not listed is an
/// option nobody will pass: so `cmdarg-print-info` is not, because libvirt (11.3) then asks for the active profile
/// (0x20) of swtpm's kind, and starts no domain without it.
pub fn capabilities() -> Value {
    json!({
        "type": "swtpm",
        "features": [
            "tpm-2.0",
            "tpm-send-command-header",
            "flags-opt-startup",
            "flags-opt-disable-auto-shutdown",
            "ctrl-opt-terminate",
            "cmdarg-seccomp",
            "cmdarg-key-fd",
            "cmdarg-pwd-fd",
            "cmdarg-print-states",
            "nvram-backend-dir",
            "rsa-keysize-2048",
            "rsa-keysize-3072",
            "tpmstate-opt-lock",
        ],
        "version": env!("CARGO_PKG_VERSION"),
    })
}

/// `--print-states`: which state there is, and its size in bytes.
pub fn states(permanent: Option<u64>, volatile: Option<u64>, encrypted: bool) -> Value {
    let mut states = Vec::new();
    if let Some(size) = permanent {
        states.push(json!({"name": "permall", "size": size, "encrypted": encrypted}));
    }
    if let Some(size) = volatile {
        states.push(json!({"name": "volatile", "size": size, "encrypted": encrypted}));
    }
    json!({"type": "swtpm", "states": states})
}
