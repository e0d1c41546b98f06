extern crate std;

use std::vec;
use std::vec::Vec;

use plan::crc32c;
use proptest::prelude::*;

use super::*;

const LIMIT: u64 = 8;

/// A check that takes everything.
fn any_images(_: Images<'_>) -> Result<(), Refusal> {
    Ok(())
}

fn announce(part: ImagePart, image: &[u8]) -> Announcement {
    Announcement {
        part,
        bytes: image.len() as u64,
        crc32c: crc32c(image),
    }
}

/// Takes all of `image` at once.
fn replace(room: &mut Room<'_>, part: ImagePart, image: &[u8]) -> Result<Announcement, Refusal> {
    room.begin(announce(part, image))?;
    room.add(0, image)?;
    room.commit(any_images)
}

#[test]
fn an_image_is_used_once_it_is_whole_and_no_earlier() {
    let mut memory = [0xee; 25];
    let mut room = Room::new(&mut memory);
    assert_eq!(room.limit(), LIMIT);
    let image = b"kernel";
    assert_eq!(room.begin(announce(ImagePart::Kernel, image)), Ok(0));
    for (offset, byte) in (0..).zip(image) {
        assert_eq!(room.images(), Images::default());
        assert_eq!(room.commit(any_images), Err(Refusal::Incomplete));
        assert_eq!(room.add(offset, &[*byte]), Ok(offset + 1));
    }
    assert_eq!(room.images(), Images::default());
    let taken = room.commit(any_images).unwrap();
    assert_eq!(room.images().kernel, Some(&image[..]));
    assert_eq!(room.replaced(ImagePart::Kernel), Some(taken));
    assert_eq!(room.replaced(ImagePart::InitialRamdisk), None);
}

#[test]
fn what_broke_off_goes_on_where_it_stopped_and_nothing_else_does() {
    let mut memory = [0; 24];
    let mut room = Room::new(&mut memory);
    let announced = announce(ImagePart::Kernel, b"kernel");
    room.begin(announced).unwrap();
    room.add(0, b"ker").unwrap();
    assert_eq!(room.begin(announced), Ok(3));
    for other in [
        announce(ImagePart::InitialRamdisk, b"kernel"),
        announce(ImagePart::Kernel, b"colonel"),
        announce(ImagePart::Kernel, b"kernal"),
    ] {
        assert_eq!(room.begin(other), Ok(0), "{other:?}");
        assert_eq!(room.begin(announced), Ok(0), "it was forgotten");
        room.add(0, b"ker").unwrap();
    }
    room.add(3, b"nel").unwrap();
    room.commit(any_images).unwrap();
    assert_eq!(room.images().kernel, Some(&b"kernel"[..]));
}

#[test]
fn pieces_out_of_turn_are_not_taken() {
    let mut memory = [0; 24];
    let mut room = Room::new(&mut memory);
    assert_eq!(room.add(0, b"k"), Err(Refusal::NotBegun));
    room.begin(announce(ImagePart::Kernel, b"kernel")).unwrap();
    assert_eq!(room.add(0, b"kernels"), Err(Refusal::BehindTheEnd));
    assert_eq!(room.add(3, b"nel"), Ok(0));
    assert_eq!(room.add(0, b"ker"), Ok(3));
    assert_eq!(room.add(0, b"ker"), Ok(3), "it came again");
    assert_eq!(room.add(3, b"nels"), Err(Refusal::BehindTheEnd));
    assert_eq!(room.add(u64::MAX, b"nel"), Ok(3));
    assert_eq!(room.add(3, b"nel"), Ok(6));
    assert_eq!(room.add(6, b"s"), Err(Refusal::BehindTheEnd));
    room.commit(any_images).unwrap();
    assert_eq!(room.images().kernel, Some(&b"kernel"[..]));
}

#[test]
fn sizes_have_two_ends() {
    let mut memory = [0; 24];
    let mut room = Room::new(&mut memory);
    room.begin(announce(ImagePart::Kernel, b"k")).unwrap();
    room.add(0, b"k").unwrap();
    let too_large = announce(ImagePart::Kernel, b"nine byte");
    let limit = LIMIT;
    assert_eq!(room.begin(too_large), Err(Refusal::TooLarge { limit }));
    let endless = Announcement {
        bytes: u64::MAX,
        ..too_large
    };
    assert_eq!(room.begin(endless), Err(Refusal::TooLarge { limit }));
    let empty = announce(ImagePart::Kernel, b"");
    assert_eq!(room.begin(empty), Err(Refusal::NoBytes));
    assert!(room.commit(any_images).is_ok(), "nothing was forgotten");
    for image in [&b"a"[..], b"8 bytes."] {
        assert!(replace(&mut room, ImagePart::Kernel, image).is_ok());
        assert!(replace(&mut room, ImagePart::InitialRamdisk, image).is_ok());
    }
}

#[test]
fn damage_and_a_refusal_change_nothing_and_are_over() {
    let mut memory = [0; 24];
    let mut room = Room::new(&mut memory);
    replace(&mut room, ImagePart::Kernel, b"good").unwrap();
    let announced = announce(ImagePart::Kernel, b"better");
    room.begin(announced).unwrap();
    room.add(0, b"bitter").unwrap();
    assert_eq!(room.commit(any_images), Err(Refusal::Damaged));
    assert_eq!(room.commit(any_images), Err(Refusal::NotBegun));
    assert_eq!(room.begin(announced), Ok(0));
    room.add(0, b"better").unwrap();
    let refused = room.commit(|images| {
        assert_eq!(images.kernel, Some(&b"better"[..]));
        Err(Refusal::NoBytes)
    });
    assert_eq!(refused, Err(Refusal::NoBytes));
    assert_eq!(room.images().kernel, Some(&b"good"[..]));
    assert_eq!(room.begin(announced), Ok(0));
}

#[test]
fn the_partitions_own_images_come_back() {
    let mut memory = [0; 24];
    let mut room = Room::new(&mut memory);
    replace(&mut room, ImagePart::Kernel, b"kernel").unwrap();
    replace(&mut room, ImagePart::InitialRamdisk, b"ramdisk").unwrap();
    let refused = room.restore(ImagePart::Kernel, |images| {
        assert_eq!(images.kernel, None);
        assert_eq!(images.initial_ramdisk, Some(&b"ramdisk"[..]));
        Err(())
    });
    assert_eq!(refused, Err(()));
    assert_eq!(room.images().kernel, Some(&b"kernel"[..]));
    assert_eq!(room.restore(ImagePart::Kernel, |_| Ok::<_, ()>(())), Ok(()));
    assert_eq!(room.images().kernel, None);
    assert_eq!(room.images().initial_ramdisk, Some(&b"ramdisk"[..]));
}

#[test]
fn without_memory_nothing_fits() {
    for mut memory in [vec![], vec![0; 2]] {
        let mut room = Room::new(&mut memory);
        let limit = 0;
        let refused = replace(&mut room, ImagePart::Kernel, b"k");
        assert_eq!(refused, Err(Refusal::TooLarge { limit }));
    }
}

/// Something that happens to a room.
#[derive(Debug, Clone)]
enum Step {
    Begin(ImagePart, Vec<u8>),
    /// The next bytes of the image, or bytes that are not its, from this much before or
    /// behind where it stands.
    Add {
        count: usize,
        is_damaged: bool,
        distance: i64,
    },
    Commit {
        is_refused: bool,
    },
    Restore(ImagePart),
}

fn any_part() -> impl Strategy<Value = ImagePart> {
    prop_oneof![Just(ImagePart::Kernel), Just(ImagePart::InitialRamdisk)]
}

fn any_step() -> impl Strategy<Value = Step> {
    let image = prop::collection::vec(any::<u8>(), 0..=LIMIT as usize + 1);
    let add = (0_usize..6, prop::bool::weighted(0.1), -1_i64..=1);
    prop_oneof![
        2 => (any_part(), image).prop_map(|(part, image)| Step::Begin(part, image)),
        6 => add.prop_map(|(count, is_damaged, distance)| Step::Add { count, is_damaged, distance }),
        3 => prop::bool::weighted(0.2).prop_map(|is_refused| Step::Commit { is_refused }),
        1 => any_part().prop_map(Step::Restore),
    ]
}

/// What a room should hold: whole images, and one on its way.
#[derive(Default)]
struct Model {
    kernel: Option<Vec<u8>>,
    initial_ramdisk: Option<Vec<u8>>,
    incoming: Option<(ImagePart, Vec<u8>, Vec<u8>)>,
}

impl Model {
    fn part(&mut self, part: ImagePart) -> &mut Option<Vec<u8>> {
        match part {
            ImagePart::Kernel => &mut self.kernel,
            ImagePart::InitialRamdisk => &mut self.initial_ramdisk,
        }
    }

    fn take(&mut self, room: &mut Room<'_>, step: &Step) {
        match step {
            Step::Begin(part, image) => {
                let began = room.begin(announce(*part, image));
                let fits = (1..=LIMIT as usize).contains(&image.len());
                assert_eq!(began.is_ok(), fits);
                if !fits {
                    return;
                }
                let known = self.incoming.take();
                let same = known.filter(|(of, wanted, _)| (of, wanted) == (part, image));
                let incoming = same.unwrap_or((*part, image.clone(), Vec::new()));
                assert_eq!(began, Ok(incoming.2.len() as u64));
                self.incoming = Some(incoming);
            }
            Step::Add {
                count,
                is_damaged,
                distance,
            } => self.add(room, (*count, *is_damaged, *distance)),
            Step::Commit { is_refused } => self.commit(room, *is_refused),
            Step::Restore(part) => {
                room.restore(*part, any_images).unwrap();
                *self.part(*part) = None;
            }
        }
    }

    fn add(&mut self, room: &mut Room<'_>, (count, is_damaged, distance): (usize, bool, i64)) {
        let Some((_, wanted, received)) = &mut self.incoming else {
            assert_eq!(room.add(0, &[0]), Err(Refusal::NotBegun));
            return;
        };
        let at = received.len();
        let mut piece: Vec<_> = wanted[at..].iter().copied().take(count).collect();
        if let (true, Some(first)) = (is_damaged, piece.first_mut()) {
            *first ^= 0x80;
        }
        let offset = (at as u64).saturating_add_signed(distance);
        if offset == at as u64 {
            received.extend(&piece);
        }
        assert_eq!(room.add(offset, &piece), Ok(received.len() as u64));
    }

    fn commit(&mut self, room: &mut Room<'_>, is_refused: bool) {
        let mut seen = false;
        let result = room.commit(|_| {
            seen = true;
            if is_refused {
                Err(Refusal::NoBytes)
            } else {
                Ok(())
            }
        });
        let Some((part, wanted, received)) = self.incoming.take() else {
            assert_eq!(result, Err(Refusal::NotBegun));
            return;
        };
        if received.len() < wanted.len() {
            assert_eq!(result, Err(Refusal::Incomplete));
            self.incoming = Some((part, wanted, received));
            return;
        }
        let is_whole = received == wanted;
        assert_eq!(seen, is_whole, "checked exactly if it is worth it");
        assert_eq!(result.is_ok(), is_whole && !is_refused);
        if result.is_ok() {
            *self.part(part) = Some(received);
        }
    }
}

proptest! {
    #[test]
    fn images_stay_whole_whatever_comes(
        steps in prop::collection::vec(any_step(), 0..200),
        dirt in any::<u8>(),
    ) {
        let mut memory = [dirt; 3 * LIMIT as usize];
        let mut room = Room::new(&mut memory);
        let mut model = Model::default();
        for step in &steps {
            model.take(&mut room, step);
            // What a start of the partition would load now.
            let expected = Images {
                kernel: model.kernel.as_deref(),
                initial_ramdisk: model.initial_ramdisk.as_deref(),
            };
            prop_assert_eq!(room.images(), expected);
        }
    }
}
