/** Freezes plain objects and arrays. A function and an object of a class belong to the application, and stay as they are. */
export function deepFreeze<T>(value: T): Readonly<T> {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  Object.freeze(value); // before its members, because it can contain itself
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}
