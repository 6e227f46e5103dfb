//! Enhanced authorization. Part 3, 23.
//!
//! A trial session computes what the policy would be: its assertions are not checked. Part 3, 23.1.

mod authorize;
mod binding;
mod compare;
mod deferred;
mod or;
mod pcr;
mod signed;
mod value;

use crate::dispatch::{Entry, entries};
use sigillo_types::commands::{
    PolicyAuthValue, PolicyAuthorize, PolicyAuthorizeNv, PolicyCapability, PolicyCommandCode,
    PolicyCounterTimer, PolicyCpHash, PolicyDuplicationSelect, PolicyGetDigest, PolicyLocality,
    PolicyNameHash, PolicyNv, PolicyNvWritten, PolicyOr, PolicyParameters, PolicyPassword, PolicyPcr,
    PolicyPhysicalPresence, PolicySecret, PolicySigned, PolicyTemplate, PolicyTicket, PolicyTransportSpdm,
};

pub(crate) const COMMANDS: &[Entry] = entries![
    PolicySigned => signed::policy_signed,
    PolicySecret => signed::policy_secret,
    PolicyTicket => signed::policy_ticket,
    PolicyOr => or::policy_or,
    PolicyPcr => pcr::policy_pcr,
    PolicyLocality => deferred::policy_locality,
    PolicyNv => value::policy_nv,
    PolicyCounterTimer => value::policy_counter_timer,
    PolicyCommandCode => deferred::policy_command_code,
    PolicyPhysicalPresence => deferred::policy_physical_presence,
    PolicyCpHash => binding::policy_cp_hash,
    PolicyNameHash => binding::policy_name_hash,
    PolicyDuplicationSelect => binding::policy_duplication_select,
    PolicyAuthorize => authorize::policy_authorize,
    PolicyAuthValue => deferred::policy_auth_value,
    PolicyPassword => deferred::policy_password,
    PolicyGetDigest => or::policy_get_digest,
    PolicyNvWritten => deferred::policy_nv_written,
    PolicyTemplate => binding::policy_template,
    PolicyAuthorizeNv => authorize::policy_authorize_nv,
    PolicyCapability => value::policy_capability,
    PolicyParameters => binding::policy_parameters,
    PolicyTransportSpdm => deferred::policy_transport_spdm,
];
