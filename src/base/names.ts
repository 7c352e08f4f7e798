/**
 * Names that people give. They end up in paths of sockets, in URIs and in columns of tables, so they are narrow:
 * no separator, no space, no leading dash or dot.
 */

/** Guests; an export's own name has no "-", so `GUEST-EXPORT.nbd` can be read back in one way only. */
export const GUEST_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$/;
export const GUEST_NAME_RULE =
  'a guest is named with 1 to 48 letters, digits, ".", "_" and "-", the first a letter or digit';

export const EXPORT_NAME: RegExp = /^[A-Za-z0-9_]{1,16}$/;
export const EXPORT_NAME_RULE = 'an export is named with 1 to 16 letters, digits and "_"';
