/** Whether the page repeats its first eight bytes. For tests alone. */
export function sameFilled(page: Uint8Array): boolean {
  return page.every((byte, at) => byte === page[at % 8]);
}
