//! A file without its relocations: they have said what they had to say, and GRUB, which hands
//! every section over, finds no room for so many.

use anyhow::{Result, bail};
use object::elf::{FileHeader64, SHT_NULL, SHT_RELA, SectionHeader64};
use object::{LittleEndian, U32, U64, pod};

/// Takes the relocations out of the list of sections; their bytes stay in the file.
///
/// # Errors
/// `bytes` is no ELF file of 64 bits.
pub fn relocations(bytes: &mut [u8]) -> Result<()> {
    let Ok((header, _)) = pod::from_bytes::<FileHeader64<LittleEndian>>(bytes) else {
        bail!("the ELF file is cut off");
    };
    let start = usize::try_from(header.e_shoff.get(LittleEndian))?;
    let count = usize::from(header.e_shnum.get(LittleEndian));
    let Some(table) = bytes.get_mut(start..) else {
        bail!("the ELF file has no list of sections");
    };
    let Ok((sections, _)) =
        pod::slice_from_bytes_mut::<SectionHeader64<LittleEndian>>(table, count)
    else {
        bail!("the ELF file's list of sections is cut off");
    };
    for section in sections {
        if section.sh_type.get(LittleEndian) == SHT_RELA {
            section.sh_type = U32::new(LittleEndian, SHT_NULL);
            section.sh_size = U64::new(LittleEndian, 0);
        }
    }
    Ok(())
}
