import { expect, test } from "vitest";
import { detectProfile } from "../../lib/settings/profiles.js";

test.each([
  ["https://sample.portal.tencentciam.com", "tencent-ciam"],
  ["https://a.tencentciam.com/x", "tencent-ciam"],
  ["https://tencentciam.com", "openid"],
  ["https://eviltencentciam.com", "openid"],
  ["https://tencentciam.com.evil.example", "openid"],
  ["https://portal.example", "openid"],
])("detectProfile() returns for %s the profile %s", (issuer, profile) => {
  expect(detectProfile(new URL(issuer))).toBe(profile);
});
