/** Now, as JWTs and token answers count it. */
export const epochSeconds = (): number => Math.floor(Date.now() / 1000);
