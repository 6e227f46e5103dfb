//! Whole commands from a few octets, so that a mutation of an octet is another command and not a broken one.

use sigillo_sample::{Source, commands::shapes, rough};
use sigillo_types::handles::rh;
use std::sync::LazyLock;

static SHAPES: LazyLock<Vec<sigillo_sample::commands::Shape>> = LazyLock::new(|| {
    let known: Vec<u32> = sigillo_engine::implemented().map(|spec| spec.code).collect();
    let mut shapes = shapes();
    shapes.retain(|shape| known.contains(&shape.spec.code));
    shapes
});

/// Handles of what the started TPM of the targets has, after the first commands of an input too.
const LIVE: [u32; 23] = [
    rh::OWNER,
    rh::NULL,
    rh::ENDORSEMENT,
    rh::PLATFORM,
    rh::LOCKOUT,
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x8100_0000,
    0x8100_0001,
    0x8100_0002,
    0x8100_0003,
    0x8100_0004,
    0x8100_0005,
    0x0150_0000,
    0x0150_0001,
    0x0150_0002,
    0x0150_0003,
    0x0150_0004,
    0x0150_0005,
    0x0200_0000,
    0x0300_0001,
    0x0000_0010,
];

/// The policy session that authorizes where an octet says so.
const POLICY: u32 = 0x0300_0001;

/// The command that some octets order: the first says which, then one for each handle says what it names (and, by its highest bit, whether
/// an empty password or the policy session authorizes it), and the parameters are what the generator makes of the rest.
pub(crate) fn command(octets: &[u8]) -> Vec<u8> {
    let Some((which, rest)) = octets.split_first() else { return Vec::new() };
    let Some(shape) = SHAPES.get(usize::from(*which) % SHAPES.len()) else { return Vec::new() };
    let spec = shape.spec;
    let (choices, rest) = rest.split_at(spec.handles.len().min(rest.len()));
    let choices = choices.iter().copied().chain(std::iter::repeat(0));
    let (sampled, parameters) = (shape.make)(&mut Source::new(rest));
    let mut body = Vec::new();
    let mut authorizations = Vec::new();
    for ((field, sampled), choice) in spec.handles.iter().zip(sampled).zip(choices) {
        let fitting: Vec<u32> = LIVE.into_iter().filter(|handle| (field.check)(*handle).is_ok()).collect();
        let at = usize::from(choice & 0x7F);
        let handle = if fitting.is_empty() { sampled } else { fitting[at % fitting.len()] };
        body.extend_from_slice(&handle.to_be_bytes());
        if field.auth.is_some() {
            let session = if choice & 0x80 == 0 { rh::PW } else { POLICY };
            authorizations.extend_from_slice(&session.to_be_bytes());
            authorizations.extend_from_slice(&[0, 0, 1, 0, 0]);
        }
    }
    let with_sessions = !authorizations.is_empty();
    if with_sessions {
        body.extend_from_slice(&u32::try_from(authorizations.len()).unwrap_or(0).to_be_bytes());
        body.extend_from_slice(&authorizations);
    }
    body.extend_from_slice(&parameters);
    rough::frame(with_sessions, spec.code, &body)
}

/// How many commands can be ordered.
pub(crate) fn count() -> usize {
    SHAPES.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_octet_orders_every_implemented_command() {
        let code = |command: &[u8]| u32::from_be_bytes(*command[6..].first_chunk().unwrap());
        let ordered: BTreeSet<u32> =
            (0..=u8::MAX).take(count()).map(|which| code(&command(&[which]))).collect();
        assert!(count() <= 256);
        assert_eq!(ordered, sigillo_engine::implemented().map(|spec| spec.code).collect());
    }
}
