//! The control channel, byte for byte.

mod common;

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use common::*;
use sigillo_server::{Behaviour, Exit, info};

#[test]
fn a_client_sees_the_replies_swtpm_gives() {
    let process = Process::start();
    let mut control = process.control();
    control.expect("00000001", "00000000 0001ffff");
    let (mut data, reply) = control.set_data_fd();
    assert_eq!(reply, [0; 4]);
    data.expect(STARTUP_CLEAR, "8001 0000000a 00000101");
    control.expect("00000004", "0000000a");
    control.expect("0000000c 00000001 00000001 00000000", "0000000a");
    control.expect("00000011 00000000", "00000000 00001000 00000b50 00001000");
    control.expect("00000011 00000f80", "00000000 00000f80 00000b50 00001000");
    control.expect("00000011 00000064", "00000000 00000b50 00000b50 00001000");
    control.expect("0000000e", "00000000");
    control.expect("00000002 00000000", "00000000");
    control.expect("00000011 00001000", "0000000a");
    data.expect(STARTUP_CLEAR, SUCCESS);
    data.expect(STARTUP_CLEAR, "8001 0000000a 00000100");
    control.expect("00000004", "00000000 00000000");
    control.expect("00000005 03000000", "00000000");
    control.expect("00000005 05", "0000003d");
    control.expect("0000000b 03", "00000000");
    control.expect("0000000b 00", "0000003d");
    control.expect("00000006", "00000000");
    control.expect("00000007 00000003 616263", "00000000");
    control.expect("00000008", "00000000");
    control.expect("00000004", "00000000 01000000");
    control.expect("00000005 00", "00000000");
    control.expect("0000000f", "00000000 00000000");
    control.expect("00000013 00000001", "00000000");
    control.expect("0000000c 00000001 00000003 00000000", "00000800 00000000 00000000 00000000");
    control.expect("0000000d 00000000 00000001 00000004 78787878", "0000000a");
    control.expect("00000009", "00000000");
    control.expect("0000000a", "00000000");
    control.expect("00000055", "0000000a");
    control.expect("0000000e", "00000000");
    control.expect("0000000d 00000000 00000001 00000004 78787878", "00000003");
    assert_eq!(control.ask("00000003", 4), [0; 4]);
    assert_eq!(process.ended(), Exit::Shutdown);
}

#[test]
fn qemu_starts_resets_and_ends_a_tpm() {
    let process = Process::start();
    let mut control = process.control();
    let (mut data, _) = control.set_data_fd();
    // The version probe: only the tag counts.
    assert_eq!(data.run("8001 0000000a 00000144")[..2], [0x80, 0x01]);
    control.expect("00000001", "00000000 0001ffff");
    for _ in 0..2 {
        control.expect("0000000e", "00000000");
        control.expect("00000011 00000000", "00000000 00001000 00000b50 00001000");
        control.expect("0000000e", "00000000");
        control.expect("00000011 00000f80", "00000000 00000f80 00000b50 00001000");
        control.expect("00000002 00000000", "00000000");
        control.expect("00000004", "00000000 00000000");
        control.expect("00000005 00000000", "00000000");
        data.expect(STARTUP_CLEAR, SUCCESS);
        assert_eq!(data.code(GET_RANDOM_4), 0);
        control.expect("00000011 00001000", "0000000a");
        control.expect("0000000e", "00000000");
        control.expect("00000011 00001000", "00000000 00001000 00000b50 00001000");
    }
    assert_eq!(control.ask("00000003", 4), [0; 4]);
    assert_eq!(process.ended(), Exit::Shutdown);
}

#[test]
fn requests_may_come_byte_by_byte_or_all_at_once() {
    let process = Process::start();
    let mut control = process.control();
    for byte in hex("00000002 00000000") {
        control.send(&[byte]);
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(control.reply(4), [0; 4]);
    for byte in hex("00000007 00000003 616263") {
        control.send(&[byte]);
    }
    assert_eq!(control.reply(4), [0; 4]);
    control.send(&hex("0000000e 00000011 00000f80 00000002 00000000 00000004"));
    assert_eq!(
        control.reply(4 + 16 + 4 + 8),
        hex("00000000 00000000 00000f80 00000b50 00001000 00000000 00000000 00000000")
    );
}

#[test]
fn a_request_that_stops_half_way_is_a_wrong_one_and_the_next_is_served() {
    let process = Process::start();
    let mut control = process.control();
    control.expect("00000002 0000", "00000003");
    control.expect("000000", "00000003");
    control.expect("00000005", "00000003");
    control.expect("00000001", "00000000 0001ffff");
}

#[test]
fn a_lying_length_is_refused_and_what_it_promised_is_not_obeyed() {
    let process = Process::start();
    let mut control = process.control();
    // A blob of 4 GiB whose first bytes would be a SHUTDOWN.
    control.expect("0000000d 00000000 00000001 ffffffff 00000003 00000003", "00000003");
    control.expect("00000007 ffffffff 00000003", "00000003");
    control.expect("00000001", "00000000 0001ffff");
}

#[test]
fn init_flags_that_mean_nothing_are_refused() {
    let process = Process::start();
    let mut control = process.control();
    control.expect("00000002 00000002", "00000003");
    control.expect("00000002 ffffffff", "00000003");
    control.expect("00000002 00000001", "00000000");
}

#[test]
fn commands_that_need_a_running_tpm_are_bad_ordinals_without() {
    let process = Process::start();
    let mut control = process.control();
    for request in [
        "00000004",
        "00000006",
        "00000007 00000001 00",
        "00000008",
        "00000009",
        "0000000a",
        "0000000b 03000000",
        "0000000c 00000001 00000003 00000000",
    ] {
        control.expect(request, "0000000a");
    }
}

#[test]
fn a_second_client_is_served_when_the_first_has_left() {
    let process = Process::start();
    let mut first = process.control();
    first.expect("00000002 00000000", "00000000");
    let mut second = process.control();
    second.send(&hex("00000001"));
    std::thread::sleep(Duration::from_millis(100));
    second.expect_silence();
    first.expect("00000004", "00000000 00000000");
    drop(first);
    assert_eq!(second.reply(8), hex("00000000 0001ffff"));
    // The TPM outlived its client.
    second.expect("00000004", "00000000 00000000");
}

#[test]
fn a_data_descriptor_is_taken_once_at_a_time_and_must_be_a_socket() {
    let process = Process::start();
    let mut control = process.control();
    control.expect("00000010", "00000003");
    let null = std::fs::File::open("/dev/null").unwrap();
    assert_eq!(control.send_fd(&hex("00000010"), null), hex("00000003"));
    // A descriptor that comes with another command is closed.
    let (ours, theirs) = UnixStream::pair().unwrap();
    assert_eq!(control.send_fd(&hex("0000000e"), theirs), [0; 4]);
    control.expect("00000010", "00000003");
    let mut end = Data(ours);
    assert_eq!(std::io::Read::read(&mut end.0, &mut [0]).unwrap(), 0);

    let (mut data, reply) = control.set_data_fd();
    assert_eq!(reply, [0; 4]);
    let (_, reply) = control.set_data_fd();
    assert_eq!(reply, hex("0000001f"));
    data.expect(STARTUP_CLEAR, "8001 0000000a 00000101");
    drop(data);
    let start = Instant::now();
    let mut data = loop {
        let (data, reply) = control.set_data_fd();
        if reply == [0; 4] {
            break data;
        }
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    };
    data.expect(STARTUP_CLEAR, "8001 0000000a 00000101");
}

#[test]
fn info_is_json_and_is_read_in_parts() {
    let process = Process::start();
    let mut control = process.control();
    let head = control.ask("00000012 0000000000000003 00000000 00000000", 12);
    let len = u32::from_be_bytes(head[4..8].try_into().unwrap());
    assert_eq!(head[..4], [0; 4]);
    assert_eq!(head[4..8], head[8..12]);
    let text = control.reply(usize::try_from(len).unwrap());
    let json: serde_json::Value = serde_json::from_slice(text.strip_suffix(&[0]).unwrap()).unwrap();
    assert_eq!(json["TPMSpecification"]["family"], "2.0");
    assert!(json["TPMAttributes"]["manufacturer"].as_str().unwrap().starts_with("id:"));
    let mut last = hex("00000012 0000000000000003");
    last.extend((len - 1).to_be_bytes());
    last.extend([0; 4]);
    control.send(&last);
    assert_eq!(control.reply(13)[4..], [&len.to_be_bytes()[..], &[0, 0, 0, 1, 0]].concat());
    control.expect("00000012 0000000000000003 00100000 00000000", "00000003");
}

#[test]
fn the_process_ends_with_its_control_client_if_told_so() {
    let behaviour = Behaviour { terminate_with_control: true, ..Behaviour::default() };
    let process = Process::with(Wanted { behaviour, ..Wanted::default() });
    let mut control = process.control();
    control.expect("00000002 00000000", "00000000");
    let (mut data, _) = control.set_data_fd();
    data.expect(STARTUP_CLEAR, SUCCESS);
    drop((control, data));
    assert_eq!(process.ended(), Exit::Terminate);
}

#[test]
fn no_frames_stop_the_control_channel() {
    let process = Process::start();
    let mut random = Random(0x5eed);
    for _ in 0..60 {
        let mut client = process.control();
        let mut frame = Vec::new();
        for _ in 0..random.below(6) {
            // All but SHUTDOWN and the unknown.
            let number = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19][random.below(18)];
            frame.extend(u32::to_be_bytes(number));
            let len = random.below(24);
            let mut body = random.bytes(len);
            if random.below(2) == 0 && body.len() >= 4 {
                body[..4].fill(0);
            }
            frame.extend(body);
        }
        // A SHUTDOWN made of random bytes would be obeyed, and rightly.
        if frame.windows(4).any(|window| window == [0, 0, 0, 3]) {
            continue;
        }
        client.send(&frame);
    }
    let mut control = process.control();
    control.expect("00000001", "00000000 0001ffff");
    control.reset();
}

#[test]
fn info_names_the_tpm_as_its_capabilities_do() {
    let process = Process::start();
    let mut control = process.control();
    control.reset();
    let (mut data, _) = control.set_data_fd();
    data.expect(STARTUP_CLEAR, SUCCESS);
    // GetCapability(TPM_CAP_TPM_PROPERTIES, TPM_PT_MANUFACTURER, 7): manufacturer, four strings, type, version.
    let response = data.run("8001 00000016 0000017a 00000006 00000105 00000007");
    let value = |index: usize| -> [u8; 4] { response[19 + 8 * index + 4..][..4].try_into().unwrap() };
    let model: Vec<u8> = (1..5).flat_map(value).filter(|byte| *byte != 0).collect();
    let says = info::ATTRIBUTES_OF_THIS_TPM;
    assert_eq!(says.manufacturer, u32::from_be_bytes(value(0)));
    assert_eq!(says.model.as_bytes(), model);
    assert_eq!(says.firmware, u32::from_be_bytes(value(6)));
}

/// CreatePrimary of an RSA-2048 storage key under the owner; each `unique` is another search for primes.
fn create_primary_rsa(unique: u8) -> Vec<u8> {
    let public = "0001 000b 00030472 0000 0006 0080 0043 0010 0800 00000000 0001";
    let body = format!(
        "00000131 40000001 00000009 40000009 0000 00 0000 0004 0000 0000 001b {public} {unique:02x} 0000 00000000"
    );
    let body = hex(&body);
    let size = u32::try_from(body.len() + 6).unwrap();
    [&[0x80, 0x02][..], &size.to_be_bytes(), &body].concat()
}

#[test]
fn the_control_channel_answers_while_a_command_runs() {
    let process = Process::start();
    let mut control = process.control();
    control.reset();
    let (mut data, _) = control.set_data_fd();
    data.expect(STARTUP_CLEAR, SUCCESS);
    // Three searches in a row, as many as there are slots.
    data.send(&[create_primary_rsa(1), create_primary_rsa(2), create_primary_rsa(3)].concat());
    let reader = std::thread::spawn(move || {
        let codes = [(); 3].map(|()| u32::from_be_bytes(data.response()[6..10].try_into().unwrap()));
        (codes, Instant::now())
    });
    control.expect("00000001", "00000000 0001ffff");
    control.expect("0000000f", "00000000 00000000");
    let answered = Instant::now();
    let (codes, done) = reader.join().unwrap();
    assert_eq!(codes, [0; 3]);
    assert!(answered < done);
    // What needs the TPM waits for it and is answered too.
    control.expect("00000009", "00000000");
    control.expect("00000005 00000000", "00000000");
}
