//! The TPM simulator's protocol.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::*;
use sigillo_server::Exit;

fn simulator() -> (Process, TcpStream, TcpStream) {
    let process = Process::with(Wanted { simulator: true, ..Wanted::default() });
    let commands = TcpStream::connect(("127.0.0.1", process.simulator.unwrap())).unwrap();
    let platform = process.platform();
    for stream in [&commands, &platform] {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
    }
    (process, commands, platform)
}

fn ask(stream: &mut TcpStream, request: &str, len: usize) -> Vec<u8> {
    stream.write_all(&hex(request)).unwrap();
    let mut reply = vec![0; len];
    stream.read_exact(&mut reply).unwrap();
    reply
}

/// SEND_COMMAND at a locality: the response, without its frame.
fn run(stream: &mut TcpStream, locality: u8, command: &str) -> Vec<u8> {
    let command = hex(command);
    let mut request = hex("00000008");
    request.push(locality);
    request.extend(u32::try_from(command.len()).unwrap().to_be_bytes());
    request.extend(command);
    stream.write_all(&request).unwrap();
    response(stream)
}

fn response(stream: &mut TcpStream) -> Vec<u8> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).unwrap();
    let mut response = vec![0; usize::try_from(u32::from_be_bytes(len)).unwrap()];
    stream.read_exact(&mut response).unwrap();
    let mut end = [1; 4];
    stream.read_exact(&mut end).unwrap();
    assert_eq!(end, [0; 4]);
    response
}

#[test]
fn a_simulator_session_powers_on_runs_commands_and_ends() {
    let (process, mut commands, mut platform) = simulator();
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex("8001 0000000a 00000101"));
    assert_eq!(ask(&mut commands, "0000000f 00000001", 12), hex("00000001 0000000d 00000000"));
    assert_eq!(ask(&mut platform, "00000001", 4), [0; 4]);
    assert_eq!(ask(&mut platform, "0000000b", 4), [0; 4]);
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex(SUCCESS));
    assert_eq!(run(&mut commands, 3, GET_RANDOM_4).len(), 16);
    // Powering on a TPM that is on is no reset.
    assert_eq!(ask(&mut platform, "00000001", 4), [0; 4]);
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex("8001 0000000a 00000100"));
    // A reset is.
    assert_eq!(ask(&mut platform, "00000011", 4), [0; 4]);
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex(SUCCESS));
    assert_eq!(ask(&mut commands, "00000005", 4), [0; 4]);
    assert_eq!(ask(&mut commands, "00000006 00000003 616263", 4), [0; 4]);
    assert_eq!(ask(&mut commands, "00000007", 4), [0; 4]);
    assert_eq!(ask(&mut platform, "00000009", 4), [0; 4]);
    assert_eq!(ask(&mut platform, "0000000a", 4), [0; 4]);
    assert_eq!(ask(&mut platform, "00000002", 4), [0; 4]);
    assert_eq!(run(&mut commands, 0, GET_RANDOM_4), hex("8001 0000000a 00000101"));
    platform.write_all(&hex("00000015")).unwrap();
    assert_eq!(process.ended(), Exit::Shutdown);
}

#[test]
fn a_session_that_ends_leaves_the_tpm_for_the_next() {
    let (process, mut commands, mut platform) = simulator();
    assert_eq!(ask(&mut platform, "00000001", 4), [0; 4]);
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex(SUCCESS));
    commands.write_all(&hex("00000014")).unwrap();
    assert_eq!(commands.read(&mut [0]).unwrap(), 0);
    let mut commands = TcpStream::connect(("127.0.0.1", process.simulator.unwrap())).unwrap();
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex("8001 0000000a 00000100"));
}

#[test]
fn bad_frames_get_an_answer_or_the_end_of_the_connection() {
    let (process, mut commands, mut platform) = simulator();
    assert_eq!(ask(&mut platform, "00000001", 4), [0; 4]);
    assert_eq!(run(&mut commands, 0, STARTUP_CLEAR), hex(SUCCESS));
    // Too short, too long, and of 4 GiB.
    assert_eq!(run(&mut commands, 0, "80010000"), hex("8001 0000000a 00000142"));
    assert_eq!(run(&mut commands, 0, ""), hex("8001 0000000a 00000142"));
    assert_eq!(run(&mut commands, 0, &"00".repeat(5000)), hex("8001 0000000a 00000142"));
    commands.write_all(&hex("00000008 00 ffffffff 00000015")).unwrap();
    assert_eq!(response(&mut commands), hex("8001 0000000a 00000142"));
    // No such locality.
    assert_eq!(run(&mut commands, 5, GET_RANDOM_4), hex("8001 0000000a 00000907"));
    assert_eq!(run(&mut commands, 0, GET_RANDOM_4).len(), 16);
    // Unknown words.
    assert_eq!(ask(&mut platform, "00000063", 4), hex("00000001"));
    assert_eq!(platform.read(&mut [0]).unwrap(), 0);
    commands.write_all(&hex("00000063")).unwrap();
    assert_eq!(commands.read(&mut [0]).unwrap(), 0);
    assert_eq!(ask(&mut process.platform(), "00000001", 4), [0; 4]);
}
