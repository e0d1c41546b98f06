//! The drawing as a picture (SVG 1.1). Lengths are in pixels.

use std::fmt::Write;

use super::{Bank, Device, Drawing, Owner};
use crate::text::size;

/// The picture's width, and the space around what is in it.
const WIDTH: f64 = 960.0;
const MARGIN: f64 = 24.0;
/// Where things start, right of their headings.
const LEFT: f64 = 130.0;
/// A core's box, with the space to the next one.
const CORE: f64 = 44.0;
/// A line of text.
const LINE: f64 = 20.0;
/// A bar of memory.
const BAR: f64 = 44.0;
/// A function's box.
const FUNCTION_WIDTH: f64 = 96.0;
const FUNCTION_HEIGHT: f64 = 40.0;
/// The space between two things of a kind, and between two kinds.
const GAP: f64 = 6.0;
const SECTION: f64 = 30.0;
/// About how wide a character of the small text is.
const CHARACTER: f64 = 7.0;
/// The least characters that a text is cut down to.
const LEAST: usize = 10;

/// The partitions' colours, again from the start after the last: the marks tell those apart
/// that have the same. Light, since what is written on them is dark.
const COLOURS: [&str; 8] = [
    "#9fd0f2", "#f2c063", "#7fcfb2", "#e3b5cd", "#f0a878", "#ece17a", "#aeb9de", "#d0bf9a",
];
const NOBODYS: &str = "#f0f0f0";
const BULKHEADS: &str = "#404040";

const STYLE: &str = "text{font-family:sans-serif;font-size:12px;fill:#202020}\
 .title{font-size:18px;font-weight:bold}.heading{font-weight:bold}\
 .light{fill:#ffffff}.quiet{fill:#606060}.middle{text-anchor:middle}.right{text-anchor:end}\
 rect{stroke:#ffffff;stroke-width:1}";

/// Draws it.
pub fn draw(drawing: &Drawing) -> String {
    let mut picture = Picture::default();
    picture.text(MARGIN, "title", &drawing.title);
    picture.down(SECTION);
    draw_cores(&mut picture, drawing);
    draw_memory(&mut picture, drawing);
    draw_functions(&mut picture, drawing);
    draw_legend(&mut picture, drawing);
    picture.finish(&drawing.title)
}

/// What has been drawn, and how far down.
#[derive(Debug, Default)]
struct Picture {
    elements: String,
    y: f64,
}

/// A box with its corner at (`x`, the picture's y).
struct Box<'a> {
    x: f64,
    width: f64,
    height: f64,
    owner: Owner,
    /// What is said when one points at it.
    tip: &'a str,
}

impl Picture {
    fn down(&mut self, by: f64) {
        self.y += by;
    }

    /// Text whose line starts at the picture's y.
    fn text(&mut self, x: f64, class: &str, text: &str) {
        self.text_at(x, self.y + LINE * 0.7, class, text);
    }

    /// A heading left of things of this height.
    fn heading(&mut self, text: &str, height: f64) {
        let y = self.y + height / 2.0 + LINE * 0.2;
        self.text_at(MARGIN, y, "heading", text);
    }

    fn text_at(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let text = escaped(text);
        self.element(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>"
        ));
    }

    fn rectangle(&mut self, shape: &Box<'_>) {
        let Box {
            x,
            width,
            height,
            owner,
            tip,
        } = shape;
        let (y, fill, tip) = (self.y, colour(*owner), escaped(tip));
        self.element(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" \
             fill=\"{fill}\"><title>{tip}</title></rect>"
        ));
    }

    /// A box with lines of text in its middle, as far as they fit; its owner's mark if not
    /// even the first does.
    fn labelled(&mut self, shape: &Box<'_>, lines: &[&str]) {
        self.rectangle(shape);
        let class = if shape.owner == Owner::Bulkhead {
            "middle light"
        } else {
            "middle"
        };
        let mut lines: Vec<_> = lines
            .iter()
            .map_while(|line| fit(line, shape.width))
            .collect();
        let mark = shape.owner.mark();
        if lines.is_empty() && shape.width >= CHARACTER && shape.owner != Owner::Nobody {
            lines.push(mark.to_string());
        }
        let middle = shape.x + shape.width / 2.0;
        let height = LINE * 0.75;
        let mut y = self.y + shape.height / 2.0 + height * (0.85 - lines.len() as f64 / 2.0);
        for line in lines {
            self.text_at(middle, y, class, &line);
            y += height;
        }
    }

    fn element(&mut self, element: &str) {
        self.elements.push_str(element);
        self.elements.push('\n');
    }

    fn finish(self, title: &str) -> String {
        let height = self.y + 2.0 * MARGIN;
        let mut svg = String::new();
        // Writing to a string does not fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
             viewBox=\"0 {:.0} {WIDTH} {height:.0}\" role=\"img\">\n<title>{}</title>\n\
             <style>{STYLE}</style>\n\
             <path d=\"M0 {:.0}h{WIDTH}v{height:.0}h-{WIDTH}z\" fill=\"#ffffff\"/>\n{}</svg>\n",
            -MARGIN,
            escaped(title),
            -MARGIN,
            self.elements,
        );
        svg
    }
}

fn colour(owner: Owner) -> &'static str {
    match owner {
        Owner::Nobody => NOBODYS,
        Owner::Bulkhead => BULKHEADS,
        Owner::Partition(number) => {
            let mut colours = COLOURS.iter().cycle().skip(number);
            colours.next().copied().unwrap_or(NOBODYS)
        }
    }
}

/// The text, or as much of it as there is room for; `None` if that is too little.
fn fit(text: &str, width: f64) -> Option<String> {
    // Lengths here are positive, and small.
    let room = (width / CHARACTER).floor() as usize;
    if text.chars().count() <= room {
        return Some(text.to_owned());
    }
    let start = text.chars().take(room.saturating_sub(1));
    (room >= LEAST).then(|| start.chain(['\u{2026}']).collect())
}

fn draw_cores(picture: &mut Picture, drawing: &Drawing) {
    picture.heading("Cores", CORE - GAP);
    let most = ((WIDTH - LEFT - MARGIN) / CORE).floor();
    let mut column = 0.0;
    for (core, owner) in &drawing.cores {
        if column >= most {
            column = 0.0;
            picture.down(CORE);
        }
        let number = core.to_string();
        let shape = Box {
            x: LEFT + column * CORE,
            width: CORE - GAP,
            height: CORE - GAP,
            owner: *owner,
            tip: &format!("core {core}: {}", drawing.name(*owner)),
        };
        let mark = owner.mark().to_string();
        picture.labelled(&shape, &[&number, &mark]);
        column += 1.0;
    }
    picture.down(CORE - GAP + SECTION);
}

fn draw_memory(picture: &mut Picture, drawing: &Drawing) {
    picture.heading("Memory", BAR);
    // All banks in one scale.
    let largest = drawing.memory.iter().map(|bank| bank.bytes).max();
    let scale = (WIDTH - LEFT - MARGIN) / largest.unwrap_or(1).max(1) as f64;
    for bank in &drawing.memory {
        draw_bank(picture, drawing, bank, scale);
    }
    picture.down(SECTION);
}

fn draw_bank(picture: &mut Picture, drawing: &Drawing, bank: &Bank, scale: f64) {
    let mut x = LEFT;
    for piece in &bank.pieces {
        let width = piece.bytes as f64 * scale;
        let name = drawing.name(piece.owner);
        let (start, bytes) = (piece.start.to_string(), size(piece.bytes));
        let shape = Box {
            x,
            width,
            height: BAR,
            owner: piece.owner,
            tip: &format!("{name}: {bytes} from {start}"),
        };
        picture.labelled(&shape, &[name, &bytes]);
        // The address that the piece begins at, under it, if there is room.
        if start.len() as f64 * CHARACTER < width || piece.start == bank.start {
            picture.text_at(x, picture.y + BAR + LINE * 0.7, "quiet", &start);
        }
        x += width;
    }
    picture.down(BAR + LINE + GAP);
}

fn draw_functions(picture: &mut Picture, drawing: &Drawing) {
    if drawing.functions.is_empty() {
        return;
    }
    picture.heading("PCI functions", FUNCTION_HEIGHT);
    for device in &drawing.functions {
        draw_device(picture, drawing, device);
    }
    picture.down(SECTION - GAP);
}

/// The function, and right of it its virtual functions.
fn draw_device(picture: &mut Picture, drawing: &Drawing, device: &Device) {
    let address = device.address.to_string();
    let kind = if device.virtual_functions.is_empty() {
        ""
    } else {
        "PF "
    };
    let mut shape = Box {
        x: LEFT,
        width: FUNCTION_WIDTH,
        height: FUNCTION_HEIGHT,
        owner: device.owner,
        tip: &format!("{address}: {}", drawing.name(device.owner)),
    };
    picture.labelled(
        &shape,
        &[&format!("{kind}{address}"), drawing.name(device.owner)],
    );
    for one in &device.virtual_functions {
        shape.x += FUNCTION_WIDTH + GAP;
        if shape.x + FUNCTION_WIDTH > WIDTH - MARGIN {
            shape.x = LEFT + FUNCTION_WIDTH + GAP;
            picture.down(FUNCTION_HEIGHT + GAP);
        }
        let tip = format!(
            "{}: {}",
            one.describe(device.address),
            drawing.name(one.owner)
        );
        let title = match one.namespace {
            Some(namespace) => format!("VF {}, ns {namespace}", one.number),
            None => format!("VF {}", one.number),
        };
        let name = drawing.name(one.owner);
        let shape = Box {
            owner: one.owner,
            tip: &tip,
            ..shape
        };
        picture.labelled(&shape, &[&title, name]);
    }
    picture.down(FUNCTION_HEIGHT + GAP);
}

fn draw_legend(picture: &mut Picture, drawing: &Drawing) {
    picture.heading("Owners", LINE);
    for owner in drawing.owners() {
        let shape = Box {
            x: LEFT,
            width: LINE,
            height: LINE,
            owner,
            tip: drawing.name(owner),
        };
        picture.labelled(&shape, &[&owner.mark().to_string()]);
        picture.text(LEFT + 30.0, "heading", drawing.name(owner));
        let owned = [
            drawing.cores_of(owner),
            drawing.memory_of(owner),
            drawing.functions_of(owner),
            drawing.rights_of(owner),
        ];
        let owned: Vec<_> = owned.into_iter().filter(|text| !text.is_empty()).collect();
        picture.text(LEFT + 230.0, "", &owned.join("; "));
        picture.down(LINE);
    }
}

/// The text as XML has it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML allows no others, escaped or not.
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
