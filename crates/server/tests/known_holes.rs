//! Published holes of other TPM servers, each as the test it demands. docs/known-holes.md has the list.

mod common;

use common::{Process, STARTUP_CLEAR, SUCCESS};

/// CVE-2026-75900: the header of a state blob was checked against the size of a pointer, and shorter ones were read behind their end.
#[test]
fn a_state_blob_of_any_length_is_answered() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    control.reset();
    let (_, permanent) = control.blob(1);
    let (_, volatile) = control.blob(2);
    control.expect("0000000e", "00000000");
    // The header has 48 octets, and a digest follows.
    for (kind, blob) in [(1, &permanent), (2, &volatile)] {
        for len in (1..120).chain(blob.len() - 40..blob.len()) {
            assert_ne!(control.set_blob(kind, 0, &blob[..len]), [0; 4], "{len} octets of blob {kind}");
        }
        for kind in [0, 3, 4, u32::MAX] {
            control.set_blob(kind, 0, &blob[..48]);
        }
    }
    control.expect("00000002 00000000", "00000000");
    data.expect(STARTUP_CLEAR, SUCCESS);
}
