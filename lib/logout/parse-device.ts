/** What a browser says of itself (User-Agent), in words that a person may know; each undefined where it does not tell. */
export interface Device {
  /** Such as Firefox. */
  readonly browser: string | undefined;
  /** Such as Windows or Android. */
  readonly os: string | undefined;
  /** desktop, mobile, tablet, tv or bot. */
  readonly type: string | undefined;
}

const UNKNOWN_DEVICE: Device = { browser: undefined, os: undefined, type: undefined };

/** The library is loaded when somebody asks: most applications never list sessions. */
export async function parseDevice(userAgent: string | undefined): Promise<Device> {
  if (!userAgent) return UNKNOWN_DEVICE;
  const { default: bowser } = await import("bowser");
  const { browser, os, platform } = bowser.parse(userAgent);
  return { browser: browser.name || undefined, os: os.name || undefined, type: platform.type || undefined };
}
