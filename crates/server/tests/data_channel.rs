//! The data channel: framing, bad sizes, localities.

mod common;

use std::io::{Read, Write};
use std::time::Duration;

use common::*;
use sigillo_server::machine::{Options, Su};
use sigillo_server::serve::Start;
use sigillo_server::{Behaviour, Exit};

const COMMAND_SIZE: &str = "8001 0000000a 00000142";

fn started() -> Process {
    Process::with(Wanted { start: Start::Startup(Su::Clear), ..Wanted::default() })
}

#[test]
fn a_command_may_come_byte_by_byte() {
    let process = started();
    let mut data = process.data();
    for byte in hex(GET_RANDOM_4) {
        data.send(&[byte]);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(data.response().len(), 16);
}

#[test]
fn several_commands_in_one_write_get_a_response_each() {
    let process = started();
    let mut data = process.data();
    let mut three = hex(GET_RANDOM_4);
    three.extend(hex(STARTUP_CLEAR));
    three.extend(hex(GET_RANDOM_4));
    data.send(&three);
    assert_eq!(data.response().len(), 16);
    assert_eq!(data.response(), hex("8001 0000000a 00000100"));
    assert_eq!(data.response().len(), 16);
}

/// TPM2_ACT_SetTimeout of 100 seconds and of none, with the platform's empty authValue.
#[test]
fn a_countdown_timer_that_runs_out_is_in_the_log_once() {
    let process = started();
    let mut data = process.data();
    let set = "8002 0000001f 00000198 40000110 00000009 40000009 0000 00 0000";
    let lines = || std::fs::read_to_string(process.path("log")).unwrap().matches("0x40000110").count();
    for (timeout, logged) in
        [("00000064", 0), ("00000000", 1), ("00000000", 1), ("00000064", 1), ("00000000", 2)]
    {
        assert_eq!(data.code(&format!("{set} {timeout}")), 0);
        assert_eq!(data.code(GET_RANDOM_4), 0);
        assert_eq!(lines(), logged, "after {timeout}");
    }
}

#[test]
fn impossible_sizes_answer_command_size_and_the_next_command_is_served() {
    let process = started();
    let mut data = process.data();
    for size in (0..10).chain([4097, 0x10000, 0x7fff_ffff, 0x8000_0000, u32::MAX]) {
        let mut command = hex(GET_RANDOM_4);
        command[2..6].copy_from_slice(&size.to_be_bytes());
        data.send(&command);
        assert_eq!(data.response(), hex(COMMAND_SIZE), "{size}");
        assert_eq!(data.code(GET_RANDOM_4), 0, "after {size}");
    }
}

/// OVMF's probe of a TIS: TPM_ORD_GetTicks and TPM_ORD_Startup of a TPM 1.2.
#[test]
fn a_command_of_tpm_1_2_is_refused_under_the_tag_of_a_tpm_2_0() {
    let process = started();
    let mut data = process.data();
    for probe in ["00c1 0000000a 000000f1", "00c1 0000000c 00000099 0001"] {
        data.expect(probe, "8001 0000000a 0000001e");
    }
}

#[test]
fn a_command_that_stops_half_way_answers_command_size() {
    let process = started();
    let mut data = process.data();
    data.expect("8001 0000", COMMAND_SIZE);
    data.expect("8001 0000000c 0000017b 00", COMMAND_SIZE);
    assert_eq!(data.code(GET_RANDOM_4), 0);
}

#[test]
fn a_client_that_sends_without_end_is_cut_off() {
    let process = started();
    let mut data = process.data();
    data.send(&hex("8001 ffffffff"));
    data.0.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut sent = 0_usize;
    let cut = loop {
        match data.0.write(&[0; 65536]) {
            Ok(n) => sent += n,
            Err(error) => break error.kind(),
        }
        assert!(sent < 64 << 20, "never cut off");
    };
    // A reset if the end was closed with octets of ours unread, a broken pipe after it; never a time-out.
    assert!(matches!(cut, std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset), "{cut:?}");
    drop(data);
    // The channel is free once the thread has noticed.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(process.data().code(GET_RANDOM_4), 0);
}

#[test]
fn the_prefix_frames_the_response() {
    let process = started();
    let mut data = process.data();
    data.send(&hex("00000008 00 0000000c"));
    data.send(&hex(GET_RANDOM_4));
    let mut response = [0; 24];
    data.0.read_exact(&mut response).unwrap();
    assert_eq!(response[..14], hex("00000010 8001 00000010 00000000"));
    assert_eq!(response[20..], [0; 4]);
}

#[test]
fn a_guest_cannot_raise_its_locality_with_a_forged_prefix() {
    let process = started();
    let mut control = process.control();
    let (mut data, reply) = control.set_data_fd();
    assert_eq!(reply, [0; 4]);
    data.send(&hex("00000008 04 0000000c"));
    data.send(&hex(GET_RANDOM_4));
    let mut response = [0; 18];
    data.0.read_exact(&mut response).unwrap();
    assert_eq!(response[..], hex("0000000a 8001 0000000a 00000907 00000000"));
    // PCR 17 is reset from locality 4 only.
    assert_ne!(data.code("8002 0000001b 0000013d 00000011 00000009 40000009 0000 00 0000"), 0);
    // A program on the data socket speaks for itself.
    drop(data);
    std::thread::sleep(Duration::from_millis(200));
    let mut program = process.data();
    program.send(&hex("00000008 04 0000000c"));
    program.send(&hex(GET_RANDOM_4));
    let mut response = [0; 24];
    program.0.read_exact(&mut response).unwrap();
    assert_eq!(response[10..14], [0; 4]);
    // The locality sticks.
    assert_eq!(program.code("8002 0000001b 0000013d 00000011 00000009 40000009 0000 00 0000"), 0);
}

#[test]
fn the_vendor_command_sets_the_locality_only_where_it_is_allowed() {
    let set = "8001 0000000b 20001000 03";
    let reset_20 = "8002 0000001b 0000013d 00000014 00000009 40000009 0000 00 0000";
    let process = started();
    assert_ne!(process.data().code(set), 0);
    let process = Process::with(Wanted {
        start: Start::Startup(Su::Clear),
        behaviour: Behaviour { allow_set_locality: true, ..Behaviour::default() },
        options: Options { reject_locality_4: true, ..Options::default() },
        ..Wanted::default()
    });
    let mut data = process.data();
    assert_ne!(data.code(reset_20), 0);
    data.expect(set, SUCCESS);
    assert_eq!(data.code(reset_20), 0);
    data.expect("8001 0000000b 20001000 05", "8001 0000000a 00000907");
    data.expect("8001 0000000b 20001000 04", "8001 0000000a 00000907");
}

#[test]
fn a_second_data_client_is_turned_away() {
    let process = started();
    let mut data = process.data();
    assert_eq!(data.code(GET_RANDOM_4), 0);
    let mut control = process.control();
    assert_eq!(control.set_data_fd().1, hex("0000001f"));
    assert_eq!(data.code(GET_RANDOM_4), 0);
}

#[test]
fn disconnect_closes_after_each_response_and_terminate_ends_the_process() {
    let behaviour = Behaviour { disconnect: true, ..Behaviour::default() };
    let process = Process::with(Wanted { start: Start::Startup(Su::Clear), behaviour, ..Wanted::default() });
    let mut data = process.data();
    assert_eq!(data.code(GET_RANDOM_4), 0);
    assert_eq!(data.0.read(&mut [0]).unwrap(), 0);

    let behaviour = Behaviour { terminate_with_data: true, ..Behaviour::default() };
    let process = Process::with(Wanted { start: Start::Startup(Su::Clear), behaviour, ..Wanted::default() });
    assert_eq!(process.data().code(GET_RANDOM_4), 0);
    assert_eq!(process.ended(), Exit::Terminate);
}

#[test]
fn no_bytes_stop_the_data_channel() {
    let process = started();
    let mut random = Random(0xda7a);
    for _ in 0..40 {
        let mut data = process.data();
        let len = random.below(300);
        let mut bytes = random.bytes(len);
        if bytes.len() >= 10 {
            // Most go as far as the TPM.
            let size = u32::try_from(bytes.len()).unwrap();
            bytes[..6].copy_from_slice(
                &[&[0x80, 1 + u8::from(random.below(2) == 0)], &size.to_be_bytes()[..]].concat(),
            );
            let code = u32::try_from(0x11f + random.below(0x90)).unwrap();
            // Not the seeds, and not NV that the disk keeps: the point is the process.
            bytes[6..10].copy_from_slice(&code.to_be_bytes());
        }
        data.send(&bytes);
        if bytes.len() >= 10 {
            assert!(data.response().len() >= 10);
        }
        drop(data);
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut data = process.data();
    // A random Shutdown may have come by, and a Startup is then no longer needed.
    assert_eq!(data.code(GET_RANDOM_4), 0);
}
