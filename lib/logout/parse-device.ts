/** Browser and device, parsed from the header User-Agent. Unknown values are undefined. */
export interface Device {
  /** For example Firefox. */
  readonly browser: string | undefined;
  /** For example Windows or Android. */
  readonly os: string | undefined;
  /** One of desktop, mobile, tablet, tv, bot. */
  readonly type: string | undefined;
}

const UNKNOWN_DEVICE: Device = { browser: undefined, os: undefined, type: undefined };

/**
 * Parses a User-Agent header. Loads the parser at the first call, because most applications never list
 * sessions.
 */
export async function parseDevice(userAgent: string | undefined): Promise<Device> {
  if (!userAgent) return UNKNOWN_DEVICE;
  const { default: bowser } = await import("bowser");
  const { browser, os, platform } = bowser.parse(userAgent);
  return { browser: browser.name || undefined, os: os.name || undefined, type: platform.type || undefined };
}
