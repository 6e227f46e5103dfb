//! PCR attributes, by PCR number.

/// How one PCR behaves. PC Client Platform TPM Profile, "PCR attributes".
#[derive(Clone, Copy, Debug)]
pub(crate) struct PcrAttributes {
    /// Bit n: TPM2_PCR_Reset is allowed from locality n.
    pub(crate) reset_localities: u8,
    /// Bit n: extending is allowed from locality n.
    pub(crate) extend_localities: u8,
    /// Kept by Shutdown(STATE).
    pub(crate) state_saved: bool,
    /// A change does not count in pcrUpdateCounter.
    pub(crate) no_increment: bool,
    /// Reset to zero by a D-RTM event, and all ones before it.
    pub(crate) drtm: bool,
    /// Of the group that shares a policy and an authValue; the others are open to all. Part 3, 22.6 and 22.7.
    pub(crate) authorized: bool,
}

const SRTM: PcrAttributes = PcrAttributes {
    reset_localities: 0,
    extend_localities: 0x1F,
    state_saved: true,
    no_increment: false,
    drtm: false,
    authorized: false,
};

const APPLICATION: PcrAttributes = PcrAttributes {
    reset_localities: 0x0F,
    extend_localities: 0x1F,
    state_saved: false,
    no_increment: true,
    drtm: false,
    authorized: false,
};

const fn drtm(reset_localities: u8, extend_localities: u8, no_increment: bool) -> PcrAttributes {
    PcrAttributes {
        reset_localities,
        extend_localities,
        state_saved: false,
        no_increment,
        drtm: true,
        authorized: false,
    }
}

const fn authorized(attributes: PcrAttributes) -> PcrAttributes {
    PcrAttributes { authorized: true, ..attributes }
}

/// PCR 0 to 15 are the S-RTM's, 16 and 23 for applications; the rest differs.
const fn table([p17, p18, p19, p20, p21, p22]: [PcrAttributes; 6]) -> [PcrAttributes; 24] {
    const S: PcrAttributes = SRTM;
    const A: PcrAttributes = APPLICATION;
    [S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, S, A, p17, p18, p19, p20, p21, p22, A]
}

/// PC Client Platform TPM Profile 1.07: a D-RTM event resets its PCR, no command from locality 4 does.
pub(super) const PTP: [PcrAttributes; 24] = table([
    drtm(0x00, 0x1C, false),
    drtm(0x00, 0x1C, false),
    drtm(0x00, 0x0C, false),
    drtm(0x0C, 0x0E, false),
    drtm(0x0C, 0x04, true),
    drtm(0x0C, 0x04, true),
]);

/// The same, but with the resets by locality 4 that shipping TPMs allow.
pub(super) const PC_CLIENT: [PcrAttributes; 24] = table([
    drtm(0x10, 0x1C, false),
    drtm(0x10, 0x1C, false),
    drtm(0x10, 0x0C, false),
    drtm(0x1C, 0x0E, false),
    drtm(0x1C, 0x04, true),
    drtm(0x1C, 0x04, true),
]);

/// What libtpms 0.9.2 reports as TPM_PT_PCR.
pub(super) const LIBTPMS: [PcrAttributes; 24] = table([
    drtm(0x10, 0x1C, false),
    drtm(0x10, 0x1C, false),
    drtm(0x10, 0x0C, false),
    authorized(drtm(0x14, 0x0E, false)),
    authorized(drtm(0x14, 0x04, true)),
    authorized(drtm(0x14, 0x04, true)),
]);
