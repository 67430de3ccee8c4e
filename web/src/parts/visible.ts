/* Characters that nobody sees, but that turn what stands beside them around or hide it. */
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Text of others with such characters written out: "\u202egnp.exe" would else look like "exe.png". */
export function visible(text: string): string {
  return text.replace(hidden, (c) => `‹U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);
}
