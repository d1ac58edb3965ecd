import { Resvg } from "@resvg/resvg-js";
import { FONT_FAMILY, withFont } from "./font.ts";

/** At twice the size, for sharp screens and for paper. */
const SCALE = 2;

/**
 * The picture of an SVG document of ours, at twice its size. Texts are drawn in the machine's DejaVu Sans, else in a cut of
 * it that comes with the program, so that they are there on a machine without fonts; letters outside of Latin come from the
 * machine's fonts, when it has some.
 */
export function renderPng(svg: string): Buffer {
  return withFont((file) => {
    const font = {
      fontFiles: [file],
      loadSystemFonts: true,
      defaultFontFamily: FONT_FAMILY,
      sansSerifFamily: FONT_FAMILY,
    };
    return new Resvg(svg, { fitTo: { mode: "zoom", value: SCALE }, font }).render().asPng();
  });
}
