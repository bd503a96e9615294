/**
 * Freezes plain objects and arrays with all their members. Functions and instances of classes stay as they
 * are, because they belong to the application.
 */
export function deepFreeze<T>(value: T): Readonly<T> {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  Object.freeze(value); // This is before its members, because a value can contain itself.
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
