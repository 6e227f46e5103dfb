//! Ed25519 and Ed25519ph: RFC 8032's vectors, and what must not verify.

mod support;

use sigillo_crypto::ecc::eddsa::{EdPrivate, EdPublic, HASH, Variant};
use sigillo_crypto::ecc::{EcPoint, EcPrivate, base_mul, parameters, sm2_identity};
use sigillo_crypto::hash::hash;
use sigillo_crypto::{EccCurve, Error, HashAlg, derive};
use support::{drbg, hex, records};

#[test]
fn signatures_are_those_of_rfc_8032_and_of_another_implementation() {
    let mut seen = [0; 2];
    for record in records(include_str!("vectors/eddsa.txt")) {
        let message = record.hex("message");
        let (variant, signed) = match record.text("kind") {
            "message" => (Variant::Message, message.clone()),
            _ => (Variant::Digest, hash(HASH, &[&message]).to_vec()),
        };
        seen[usize::from(variant == Variant::Digest)] += 1;
        let key = EdPrivate::new(&record.hex("d")).unwrap();
        let public = EdPublic::new(&record.hex("public")).unwrap();
        assert_eq!(key.public(), public);
        let signature = key.sign(variant, &signed).unwrap();
        assert_eq!(signature.to_vec(), record.hex("signature"));
        assert_eq!(public.verify(variant, &signed, &signature), Ok(()));

        // In pieces, the first half of the signature known before.
        let mut challenge = public.challenge(variant, signature.first_chunk().unwrap());
        signed.chunks(7).for_each(|piece| challenge.update(piece));
        assert_eq!(public.verify_challenge(challenge, &signature), Ok(()));
    }
    assert_eq!(seen, [12, 9]);
}

#[test]
fn any_change_of_a_signature_its_message_or_its_variant_is_seen() {
    let key = EdPrivate::generate(&mut drbg(1)).unwrap();
    let message = hash(HASH, &[b"message"]);
    let bad = Err(Error::BadSignature);
    let signature = key.sign(Variant::Message, &message).unwrap();
    assert_eq!(key.public().verify(Variant::Digest, &message, &signature), bad);
    assert_eq!(key.public().verify(Variant::Message, &message[1..], &signature), bad);
    let stranger = EdPrivate::generate(&mut drbg(2)).unwrap().public();
    assert_eq!(stranger.verify(Variant::Message, &message, &signature), bad);
    for bit in 0..signature.len() * 8 {
        let mut other = signature;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(key.public().verify(Variant::Message, &message, &other), bad, "bit {bit}");
    }
    for wrong in [&signature[..63], &[], &[0; 65], &[0; 128]] {
        assert_eq!(key.public().verify(Variant::Message, &message, wrong), bad);
    }
}

#[test]
fn a_number_beyond_the_order_is_no_half_of_a_signature() {
    let key = EdPrivate::generate(&mut drbg(3)).unwrap();
    let mut signature = key.sign(Variant::Message, b"message").unwrap();
    let mut carry = 0;
    for (octet, n) in signature[32..].iter_mut().zip(parameters(EccCurve::Curve25519).n.iter().rev()) {
        let sum = u16::from(*octet) + u16::from(*n) + carry;
        *octet = (sum & 0xFF) as u8;
        carry = sum >> 8;
    }
    assert_eq!(key.public().verify(Variant::Message, b"message", &signature), Err(Error::BadSignature));
}

#[test]
fn what_is_no_public_key_is_refused() {
    for size in [0, 31, 33] {
        assert_eq!(EdPublic::new(&vec![1; size]), Err(Error::BadSize));
    }
    // SP 800-186, D.1.3.2: points of small order, every encoding of them, and points that have a part of small order.
    let no_points = [
        // y = 1 and y = -1, of orders 1 and 2; y = 0, of order 4.
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        // Of order 8.
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        // p + 1, and 1 with a sign: other ways to write y = 1.
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000080",
        // y = 2: not on the curve.
        "0200000000000000000000000000000000000000000000000000000000000000",
        // The largest number.
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // B and the point of order two together: (-x, -y) of B.
        "9599999999999999999999999999999999999999999999999999999999999999",
    ];
    for encoded in no_points {
        assert_eq!(EdPublic::new(&hex(encoded)), Err(Error::BadPoint), "{encoded}");
    }
    let b = "5866666666666666666666666666666666666666666666666666666666666666";
    assert!(EdPublic::new(&hex(b)).is_ok());
}

#[test]
fn private_keys_are_any_32_octets_and_do_not_show() {
    for size in [0, 31, 33, 64] {
        assert_eq!(EdPrivate::new(&vec![7; size]).err(), Some(Error::BadSize));
    }
    for octet in [0, 0xFF] {
        let key = EdPrivate::new(&[octet; 32]).unwrap();
        assert_eq!((key.seed(), format!("{key:?}").as_str()), (&[octet; 32], "EdPrivate([secret])"));
        let signature = key.sign(Variant::Message, b"").unwrap();
        assert_eq!(key.public().verify(Variant::Message, b"", &signature), Ok(()));
    }
}

#[test]
fn no_other_operation_takes_the_curve() {
    let curve = EccCurve::Curve25519;
    assert_eq!(derive::ecc(&mut drbg(1), curve).err(), Some(Error::BadValue));
    assert_eq!(EcPrivate::new(curve, &[1; 32]).err(), Some(Error::BadValue));
    assert_eq!(base_mul(curve, &[1; 32]).err(), Some(Error::BadValue));
    let of = parameters(curve);
    assert_eq!(EcPoint::new(curve, of.gx, of.gy).err(), Some(Error::BadValue));
}

/// GB/T 32918.2-2016, A.2, is on a curve that no TPM has; GB/T 32918.5-2017, A.2, on this one: the identity is "1234567812345678".
#[test]
fn the_digest_of_who_signs_is_that_of_the_standard() {
    let x = hex("09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020");
    let y = hex("ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13");
    let public = EcPoint::new(EccCurve::Sm2P256, &x, &y).unwrap();
    let z = sm2_identity(HashAlg::Sm3_256, &public, b"1234567812345678").unwrap();
    assert_eq!(z.to_vec(), hex("b2e14c5c79c6df5b85f4fe7ed8db7a262b9da7e07ccb0ea9f4747b8ccda8a4f3"));
    assert_eq!(sm2_identity(HashAlg::Sm3_256, &public, &[0; 8192]).err(), Some(Error::BadSize));
}
