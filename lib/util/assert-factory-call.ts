import { IncomingMessage } from "node:http";

/**
 * `app.use(portalErrors)`, without parentheses, would hand each request to what makes a handler, and leave it unanswered.
 *
 * @throws TypeError where the first argument is a request
 */
export function assertFactoryCall(given: unknown, factoryName: string): void {
  if (given instanceof IncomingMessage)
    throw new TypeError(
      `${factoryName} makes a handler and was called as one: write ${factoryName}(), with parentheses`,
    );
}
