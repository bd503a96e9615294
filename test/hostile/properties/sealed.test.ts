import fc from "fast-check";
import { expect, test } from "vitest";
import { createEncryption } from "../../../lib/util/encryption.js";
import { edited, edits, json, tries } from "../support/property.js";

// RFC 7516, section 5.2: what was changed opens nothing.

const secret = "0123456789abcdef0123456789abcdef";
const sealer = createEncryption([secret], "a purpose");

test("what was sealed comes back as it was, to the same secret and purpose alone", () => {
  fc.assert(
    fc.property(json, (value) => {
      const sealed = sealer.encrypt({ value });
      expect(sealer.decrypt(sealed)).toEqual(JSON.parse(JSON.stringify({ value })));
      expect(createEncryption([secret], "another purpose").decrypt(sealed)).toBeUndefined();
      expect(createEncryption([`${secret}x`], "a purpose").decrypt(sealed)).toBeUndefined();
    }),
    tries(500),
  );
});

test("a sealed value that was edited opens nothing", () => {
  fc.assert(
    fc.property(json, edits, (value, changes) => {
      const sealed = sealer.encrypt({ value });
      const other = edited(sealed, changes);
      fc.pre(other !== sealed);
      expect(sealer.decrypt(other)).toBeUndefined();
    }),
    tries(5000),
  );
});

test("whatever text comes as a sealed value, nothing is thrown and nothing opened", () => {
  const parts = fc
    .array(fc.string({ unit: "binary", maxLength: 40 }), { maxLength: 8 })
    .map((list) => list.join("."));
  fc.assert(
    fc.property(fc.oneof(parts, fc.string({ unit: "binary" })), (text) => {
      expect(sealer.decrypt(text)).toBeUndefined();
    }),
    tries(3000),
  );
});
