use super::*;

fn hex(text: &str) -> Vec<u8> {
    let text: String = text.split_whitespace().collect();
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// Whole requests as QEMU and swtpm_ioctl send them.
fn whole() -> Vec<(Vec<u8>, Request<'static>)> {
    vec![
        (hex("00000001"), Request::GetCapability),
        (hex("00000002 00000001"), Request::Init { flags: 1 }),
        (hex("00000003"), Request::Shutdown),
        (hex("00000004"), Request::GetTpmEstablished),
        (hex("00000005 03000000"), Request::SetLocality(3)),
        (hex("00000006"), Request::HashStart),
        (hex("00000007 00000003 616263"), Request::HashData(b"abc")),
        (hex("00000008"), Request::HashEnd),
        (hex("00000009"), Request::CancelTpmCmd),
        (hex("0000000a"), Request::StoreVolatile),
        (hex("0000000b 04000000"), Request::ResetTpmEstablished(4)),
        (
            hex("0000000c 00000001 00000002 00000010"),
            Request::GetStateBlob { flags: 1, kind: BlobKind::Volatile, offset: 16 },
        ),
        (
            hex("0000000d 00000002 00000001 00000004 78787878"),
            Request::SetStateBlob { flags: 2, kind: BlobKind::Permanent, blob: b"xxxx" },
        ),
        (hex("0000000e"), Request::Stop),
        (hex("0000000f"), Request::GetConfig),
        (hex("00000010"), Request::SetDataFd),
        (hex("00000011 00000f80"), Request::SetBufferSize(0xf80)),
        (hex("00000012 0000000000000002 00000000 00000000"), Request::GetInfo { flags: 2, offset: 0 }),
        (hex("00000013 0000012c"), Request::LockStorage { retries: 300 }),
    ]
}

#[test]
fn every_command_of_the_table_is_read() {
    for (bytes, request) in whole() {
        assert_eq!(parse(&bytes), Parsed::Request { request, used: bytes.len() });
    }
}

#[test]
fn every_prefix_of_a_request_asks_for_more() {
    for (bytes, request) in whole() {
        for len in 0..bytes.len() {
            match parse(&bytes[..len]) {
                Parsed::More => {}
                Parsed::Unless { request: early, used } => {
                    assert!((5..8).contains(&len), "{request:?}");
                    assert_eq!(
                        (early, used),
                        (
                            if bytes[3] == 5 {
                                Request::SetLocality(3)
                            } else {
                                Request::ResetTpmEstablished(4)
                            },
                            len
                        )
                    );
                }
                other => panic!("{len} bytes of {request:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_request_leaves_the_bytes_behind_it_alone() {
    for (bytes, request) in whole() {
        let mut two = bytes.clone();
        two.extend_from_slice(&hex("0000000e"));
        assert_eq!(parse(&two), Parsed::Request { request, used: bytes.len() });
    }
}

#[test]
fn an_unknown_command_is_a_bad_ordinal() {
    for number in [0u32, 0x14, 0x55, 0x8001_0000, u32::MAX] {
        assert_eq!(parse(&number.to_be_bytes()), Parsed::Refused { fault: Fault::BadOrdinal, skip: 0 });
    }
}

#[test]
fn a_lying_length_is_refused_before_its_bytes_are_awaited() {
    assert_eq!(
        parse(&hex("0000000d 00000000 00000001 ffffffff 7878")),
        Parsed::Refused { fault: Fault::BadParameter, skip: 0xffff_fffd }
    );
    assert_eq!(
        parse(&hex("0000000d 00000000 00000001 00080001")),
        Parsed::Refused { fault: Fault::BadParameter, skip: 0x8_0001 }
    );
    assert_eq!(parse(&hex("0000000d 00000000 00000001 00080000")), Parsed::More);
    assert_eq!(
        parse(&hex("00000007 00010001")),
        Parsed::Refused { fault: Fault::BadParameter, skip: 0x1_0001 }
    );
    assert_eq!(
        parse(&hex("0000000d 00000000 00000004 00000004 78")),
        Parsed::Refused { fault: Fault::BadParameter, skip: 3 }
    );
    assert_eq!(
        parse(&hex("0000000c 00000000 00000000 00000000")),
        Parsed::Refused { fault: Fault::BadParameter, skip: 0 }
    );
}

#[test]
fn a_one_byte_locality_is_a_request_if_nothing_follows() {
    assert_eq!(parse(&hex("00000005 03")), Parsed::Unless { request: Request::SetLocality(3), used: 5 });
    assert_eq!(parse(&hex("00000005 03 01")), Parsed::Request { request: Request::SetLocality(3), used: 5 });
}

#[test]
fn replies_have_the_bytes_seen_from_swtpm() {
    let data = zeroize::Zeroizing::new(vec![0x78, 0x79]);
    for (reply, bytes) in [
        (Reply::Done, "00000000"),
        (Reply::Fault(Fault::BadOrdinal), "0000000a"),
        (Reply::Fault(Fault::BadLocality), "0000003d"),
        (Reply::Capability(CAPABILITIES), "00000000 0001ffff"),
        (Reply::Established(false), "0000000000000000"),
        (Reply::Established(true), "0000000001000000"),
        (Reply::Config(0), "0000000000000000"),
        (Reply::BufferSize(0xf80, 0xb50, 0x1000), "0000000000000f8000000b5000001000"),
        (Reply::NoBlob(Fault::NoBlob), "00000800000000000000000000000000"),
        (Reply::Blob { flags: 2, total: 7, data }, "00000000 00000002 00000007 00000002 7879"),
        (Reply::Info { total: 3, data: b"{}\0".to_vec() }, "00000000 00000003 00000003 7b7d00"),
    ] {
        assert_eq!(*reply.encode(), hex(bytes), "{reply:?}");
    }
}

#[test]
fn no_bytes_make_the_parser_panic_or_overrun() {
    // A small xorshift is enough: the point is many frames, the same ones each time.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..200_000 {
        let len = usize::try_from(next() % 40).unwrap();
        let mut frame: Vec<u8> = (0..len).map(|_| u8::try_from(next() % 256).unwrap()).collect();
        // Most frames get a known command number, or the bodies are never reached.
        if frame.len() >= 4 && next() % 4 != 0 {
            frame[..4].copy_from_slice(&u32::try_from(next() % 21).unwrap().to_be_bytes());
        }
        match parse(&frame) {
            Parsed::Request { used, .. } | Parsed::Unless { used, .. } => {
                assert!((4..=frame.len()).contains(&used), "{frame:02x?}");
            }
            Parsed::More => assert!(frame.len() < MAX_BUFFERED),
            Parsed::Refused { .. } => assert!(frame.len() >= 4),
        }
    }
}
