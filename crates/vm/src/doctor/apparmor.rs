//! What AppArmor's rules say of one path: as much of apparmor.d(5) as it takes to see that a rule lets at a socket, whoever wrote it and
//! however wide it is. Of what is not understood (variables, conditions, more alternatives than anybody writes) nothing is concluded.

/// More alternatives of one pattern are not tried.
const MAX_WAYS: usize = 64;
/// What may stand before a path.
const QUALIFIERS: [&str; 4] = ["audit", "allow", "owner", "file"];
const PERMISSIONS: &str = "rwaklmixpucPUC";

/// Whether these rules let a process read and write `path`, and none of them denies it. `owner` holds: a TPM's socket is the
/// user's that QEMU runs as.
pub(super) fn allow(rules: &str, path: &str) -> bool {
    let mut allowed = false;
    for rule in split(rules) {
        let Some(rule) = Rule::parse(&rule) else { continue };
        if !rule.applies(path) {
            continue;
        }
        if rule.deny {
            return false;
        }
        allowed |= rule.all;
    }
    allowed
}

/// A path as a rule names it and nothing else: what would be a pattern loses its meaning.
pub(super) fn literal(path: &str) -> String {
    let mut literal = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '^' | '"' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal
}

/// Whether a file of features (`group {feature {...} ...}`) has this one.
pub(super) fn has_feature(features: &str, group: &str, feature: &str) -> bool {
    let mut path: Vec<&str> = Vec::new();
    for part in features.split_inclusive(['{', '}']) {
        let names = part.trim_end_matches(['{', '}']);
        if part.ends_with('{') {
            path.push(names.split_whitespace().next_back().unwrap_or(""));
            if path.as_slice() == [group, feature] {
                return true;
            }
        } else {
            path.pop();
        }
    }
    false
}

/// The rules of a file: each ends with a comma that is in no quotes and no braces; comments end with their line.
fn split(text: &str) -> Vec<String> {
    let (mut rules, mut rule) = (Vec::new(), String::new());
    let (mut quoted, mut depth) = (false, 0_usize);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                rule.push(c);
                rule.extend(chars.next());
                continue;
            }
            '"' => quoted = !quoted,
            '#' if !quoted => {
                // An include is one as well, and has no comma.
                chars.by_ref().find(|c| *c == '\n');
                rule.push('\n');
                continue;
            }
            // Nothing of a rule goes on in another line but its words, and a profile's brace stands alone.
            '\n' => (quoted, depth) = (false, 0),
            '{' => depth = depth.saturating_add(1),
            '}' => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                rules.push(std::mem::take(&mut rule));
                continue;
            }
            _ => {}
        }
        rule.push(c);
    }
    rules
}

struct Rule {
    deny: bool,
    /// It is of reading and of writing.
    all: bool,
    /// It is of one of them.
    any: bool,
    pattern: String,
}

impl Rule {
    /// `None`: it is of something else than a file.
    fn parse(text: &str) -> Option<Self> {
        let mut words = words(text).into_iter().peekable();
        let (mut deny, mut file) = (false, false);
        while let Some(word) = words.next_if(|word| *word == "deny" || QUALIFIERS.contains(word)) {
            deny |= word == "deny";
            file |= word == "file";
        }
        if file && words.peek().is_none() {
            return Some(Self { deny, all: true, any: true, pattern: "/**".to_owned() });
        }
        let (first, second) = (words.next()?, words.next()?);
        // Either may come first.
        let (path, letters) = if is_path(first) { (first, second) } else { (second, first) };
        // A link's or a program's rule has more; it is of no socket.
        if !is_path(path) || !letters.chars().all(|c| PERMISSIONS.contains(c)) || words.next().is_some() {
            return None;
        }
        let (read, write) = (letters.contains('r'), letters.contains('w'));
        let pattern = path.trim_matches('"').to_owned();
        Some(Self { deny, all: read && write, any: read || write, pattern })
    }

    fn applies(&self, path: &str) -> bool {
        self.any && ways(&self.pattern).is_some_and(|all| all.iter().any(|one| matches(one, path)))
    }
}

fn is_path(word: &str) -> bool {
    word.trim_start_matches('"').starts_with('/')
}

/// Words, of which one in quotes may have spaces.
fn words(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let between = |c: char| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        c.is_whitespace() && !quoted
    };
    text.split(between).filter(|word| !word.is_empty()).collect()
}

/// The patterns without braces that a pattern stands for.
fn ways(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(one) = open.pop() {
        if open.len().saturating_add(done.len()) > MAX_WAYS {
            return None;
        }
        match braces(&one) {
            Some((before, inside, after)) => {
                open.extend(inside.iter().map(|way| format!("{before}{way}{after}")));
            }
            None => done.push(one),
        }
    }
    Some(done)
}

/// The first braces of a pattern: what is before, the alternatives, what is after.
fn braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (mut depth, mut escaped) = (0_usize, false);
    let (mut start, mut from) = (0, 0);
    let mut inside = Vec::new();
    for (at, c) in pattern.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                if depth == 0 {
                    (start, from) = (at, at.saturating_add(1));
                }
                depth = depth.saturating_add(1);
            }
            ',' if depth == 1 => {
                inside.push(pattern.get(from..at)?);
                from = at.saturating_add(1);
            }
            '}' if depth == 1 => {
                inside.push(pattern.get(from..at)?);
                return Some((pattern.get(..start)?, inside, pattern.get(at.saturating_add(1)..)?));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// One place of a pattern.
enum Piece {
    One(char),
    /// `?`
    Any,
    /// `[a-z]`, `[^a-z]`: ranges, and whether it is all but them.
    Of(Vec<(char, char)>, bool),
    /// `*`
    Name,
    /// `**`
    Deep,
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::One(one) => *one == c,
            Self::Any | Self::Name => c != '/',
            Self::Of(ranges, but) => {
                c != '/' && ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *but
            }
            Self::Deep => true,
        }
    }

    fn repeats(&self) -> bool {
        matches!(self, Self::Name | Self::Deep)
    }
}

/// The places of a pattern without braces; `None` where it has what is not understood.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut chars = pattern.chars().peekable();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '\\' => Piece::One(chars.next()?),
            '?' => Piece::Any,
            '*' if chars.next_if_eq(&'*').is_some() => Piece::Deep,
            '*' => Piece::Name,
            '[' => {
                let but = chars.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                loop {
                    let from = match chars.next()? {
                        ']' => break,
                        '\\' => chars.next()?,
                        c => c,
                    };
                    let to = if chars.next_if_eq(&'-').is_some() { chars.next()? } else { from };
                    ranges.push((from, to));
                }
                Piece::Of(ranges, but)
            }
            // A variable, whose value is in other files; or a brace that nothing closes.
            '@' | '{' | '}' => return None,
            c => Piece::One(c),
        });
    }
    Some(pieces)
}

/// Whether a pattern without braces is of a path: in time that grows with both lengths only.
fn matches(pattern: &str, path: &str) -> bool {
    let Some(pieces) = pieces(pattern) else { return false };
    // Which of the pattern's beginnings are of the path's beginning so far.
    let mut now = vec![false; pieces.len().saturating_add(1)];
    let start = |now: &mut Vec<bool>| {
        for (at, piece) in pieces.iter().enumerate() {
            if piece.repeats()
                && now.get(at) == Some(&true)
                && let Some(next) = now.get_mut(at.saturating_add(1))
            {
                *next = true;
            }
        }
    };
    if let Some(first) = now.first_mut() {
        *first = true;
    }
    start(&mut now);
    for c in path.chars() {
        let mut next = vec![false; now.len()];
        for (at, piece) in pieces.iter().enumerate() {
            if now.get(at) == Some(&true) && piece.takes(c) {
                let to = if piece.repeats() { at } else { at.saturating_add(1) };
                if let Some(place) = next.get_mut(to) {
                    *place = true;
                }
            }
        }
        start(&mut next);
        now = next;
    }
    now.last() == Some(&true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "/var/lib/sigillo/vms/demo.sigillo/run/tpm.sock";

    #[test]
    fn every_rule_that_contains_the_socket_lets_at_it() {
        for rule in [
            "\"/var/lib/sigillo/vms/*.sigillo/run/tpm.sock\" rw,",
            "  /var/lib/sigillo/vms/*.sigillo/run/tpm.sock rw, # the TPMs'",
            "/var/lib/sigillo/** rwk,",
            "owner /var/lib/sigillo/vms/*/run/*.sock rw,",
            "audit allow file rw /var/lib/sigillo/vms/**/tpm.sock,",
            "/{srv,var/lib}/sigillo/{vms,other}/*.sigillo/run/{tpm,monitor}.sock wr,",
            "file,",
            "/var/lib/sigillo/vms/dem[a-o].sigillo/run/tpm.soc? rw,",
            "/var/lib/sigillo/vms/dem[^x].sigillo/run/tpm.sock rw,",
            "#include <abstractions/base>\n  /dev/kvm rw,\n  /var/lib/sigillo/vms/*.sigillo/run/tpm.sock\n    rw,",
            "/dev/kvm rw, /** rw,",
            "deny /var/lib/sigillo/vms/*/tpm.store rw,\n/var/lib/sigillo/** rw,",
            "deny capability kill,\n/var/lib/sigillo/** rw,",
        ] {
            assert!(allow(rule, SOCKET), "{rule}");
        }
    }

    #[test]
    fn a_rule_that_is_of_something_else_or_not_in_force_does_not() {
        for rule in [
            "",
            "/var/lib/sigillo/** rw",
            "# /var/lib/sigillo/** rw,",
            "/var/lib/sigillo/** r,",
            "/var/lib/sigillo/** w,",
            "/var/lib/sigillo/* rw,",
            "/var/lib/sigillo/vms/*/tpm.sock rw,",
            "/var/lib/sigillo/vms/other.sigillo/run/tpm.sock rw,",
            "/srv/vms/*.sigillo/run/tpm.sock rw,",
            "/var/lib/sigillo/vms/demo.sigillo/run/tpm.sock/ rw,",
            "/var/lib/sigillo/vms/?.sigillo/run/tpm.sock rw,",
            "/var/lib/sigillo/vms/dem[^o].sigillo/run/tpm.sock rw,",
            "/var/lib/sigillo/vms/\\*.sigillo/run/tpm.sock rw,",
            "deny /var/lib/sigillo/** w,\n/** rw,",
            "deny file,\n/** rw,",
            "/** rw,\naudit deny /var/lib/sigillo/vms/*.sigillo/run/* rw,",
            "network unix stream,",
            "link /var/lib/** -> /var/lib/sigillo/**,",
            "@{HOME}/** rw,",
            "/var/lib/sigillo/vms/{demo.sigillo/run/tpm.sock rw,",
            "/var/lib/sigillo/vms/[demo.sigillo/run/tpm.sock rw,",
        ] {
            assert!(!allow(rule, SOCKET), "{rule}");
        }
    }

    #[test]
    fn a_rule_for_a_literal_path_is_of_it_alone() {
        for path in ["/srv/a b/[x]{y}*?\"\\^/tpm.sock", SOCKET] {
            let rule = format!("\"{}\" rw,", literal(path));
            assert!(allow(&rule, path), "{rule}");
            assert!(!allow(&rule, "/srv/a b/xyz/tpm.sock"));
        }
    }

    #[test]
    fn a_feature_is_found_in_its_group_alone() {
        // As apparmor 5.0.2 has it, shortened.
        let text = "ipc {posix_mqueue {create read\n}\n}\nnetwork_v8 {af_mask {unspec unix\n}\n}\n\
                    network_v9 {af_mask {unspec unix inet\n}\naf_unix {yes\n}\n}\nptrace {mask {read\n}\n}\n";
        assert!(has_feature(text, "network_v9", "af_unix"));
        for (group, feature) in [("network_v8", "af_unix"), ("network", "af_unix"), ("ptrace", "af_unix")] {
            assert!(!has_feature(text, group, feature), "{group}");
        }
        assert!(!has_feature("}}}{", "network_v9", "af_unix"));
    }

    #[test]
    fn a_pattern_that_would_take_forever_is_given_up_or_decided() {
        let many = format!("/{}x rw,", "{a,b}".repeat(40));
        assert!(!allow(&many, SOCKET));
        let stars = format!("/{}x rw,", "**a*".repeat(200));
        assert!(!allow(&stars, &format!("/{}", "a".repeat(4000))));
    }
}
