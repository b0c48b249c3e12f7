//! Security identifiers as bytes.

/// A security identifier in its binary form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(Vec<u8>);

impl Sid {
    /// `S-1-<authority>-<subs...>`.
    pub fn new(authority: u8, sub_authorities: &[u32]) -> Self {
        let mut bytes = vec![1, sub_authorities.len() as u8, 0, 0, 0, 0, 0, authority];
        for sub in sub_authorities {
            bytes.extend_from_slice(&sub.to_le_bytes());
        }
        Self(bytes)
    }

    /// `S-1-5-18`.
    pub fn local_system() -> Self {
        Self::new(5, &[18])
    }

    /// `S-1-5-32-544`.
    pub fn administrators() -> Self {
        Self::new(5, &[32, 544])
    }

    /// `S-1-1-0`.
    pub fn everyone() -> Self {
        Self::new(1, &[0])
    }

    /// `S-1-5-11`.
    pub fn authenticated_users() -> Self {
        Self::new(5, &[11])
    }

    /// The identifier at the start of `bytes`, if there is a whole one. Source: RtlValidSid
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&revision, &count) = (bytes.first()?, bytes.get(1)?);
        let length = 8 + usize::from(count) * 4;
        (revision == 1 && count <= 15).then_some(())?;
        Some(Self(bytes.get(..length)?.to_vec()))
    }

    /// The binary form.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Display for Sid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let authority = self.0[2..8].iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        write!(f, "S-{}-{authority}", self.0[0])?;
        for sub in self.0[8..].chunks_exact(4) {
            write!(f, "-{}", u32::from_le_bytes([sub[0], sub[1], sub[2], sub[3]]))?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Sid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
