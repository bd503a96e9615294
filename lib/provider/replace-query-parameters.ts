/**
 * Replaces parameters of an endpoint's own query (RFC 6749, section 3.1). openid-client appends ours to that
 * query. If a name occurred twice, two readers could use different values. Therefore only ours remains.
 */
export function replaceQueryParameters(url: URL, parameters: Readonly<Record<string, string>>): URL {
  for (const [name, value] of Object.entries(parameters))
    if (url.searchParams.getAll(name).length > 1) url.searchParams.set(name, value);
  return url;
}
