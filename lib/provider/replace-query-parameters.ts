/**
 * An endpoint may have a query of its own (RFC 6749, section 3.1), to which openid-client appends. What stands there
 * under a name of ours would come twice, and two readers may believe two different things: ours alone stays.
 */
export function replaceQueryParameters(address: URL, parameters: Readonly<Record<string, string>>): URL {
  for (const [name, value] of Object.entries(parameters))
    if (address.searchParams.getAll(name).length > 1) address.searchParams.set(name, value);
  return address;
}
