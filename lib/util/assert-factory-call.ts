import { IncomingMessage } from "node:http";

/**
 * Checks that a factory such as `portalErrors` was not passed to `app.use()` itself, without parentheses.
 * Express would call the factory for each request, and the request would never get a response.
 *
 * @throws TypeError if the first argument is a request
 */
export function assertFactoryCall(firstArgument: unknown, factoryName: string): void {
  if (firstArgument instanceof IncomingMessage)
    throw new TypeError(
      `${factoryName} creates a handler, and was used as a handler: write ${factoryName}(), with parentheses`,
    );
}
