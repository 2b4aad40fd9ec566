import { DomainError } from "../kit/index.ts";
import { asciiEncode, latin1Decode } from "./characters.ts";
import type { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";

const dayMs = 86_400_000;

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar; `month` is 1 to 12. */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

/** `20261122143605`: year, month, day, hour, minute, second in UTC. Parts of a second are dropped. */
function digitsOf(timeMs: number): string {
  const days = Math.floor(timeMs / dayMs);
  const second = Math.floor((timeMs - days * dayMs) / 1000);
  const { year, month, day } = civilFromDays(days);
  if (!(year >= 1950 && year <= 9999)) {
    throw new DomainError(
      "invalid-input",
      "a date before 1950 or after 9999 cannot be in a certificate",
    );
  }
  const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);
  return (
    `${year}${two(month)}${two(day)}` +
    `${two(Math.floor(second / 3600))}${two(Math.floor(second / 60) % 60)}${two(second % 60)}`
  );
}

/** `2026-11-22T14:36:05Z` */
export function formatTime(timeMs: number): string {
  return digitsOf(timeMs).replace(/^(....)(..)(..)(..)(..)(..)$/, "$1-$2-$3T$4:$5:$6Z");
}

/** A Time: UTCTime until the end of 2049, GeneralizedTime after that (RFC 5280 4.1.2.5). */
export function writeTime(timeMs: number): der.DerNode {
  const digits = digitsOf(timeMs);
  return digits < "2050"
    ? der.primitive(derTag.utcTime, asciiEncode(`${digits.slice(2)}Z`, "a time"))
    : der.primitive(derTag.generalizedTime, asciiEncode(`${digits}Z`, "a time"));
}

/** Reads a Time as milliseconds since 1970: whole seconds and `Z`, as RFC 5280 4.1.2.5 demands. */
export function readTime(reader: DerReader): number {
  const isUtcTime = reader.nextTag === derTag.utcTime;
  const text = latin1Decode(reader.content(isUtcTime ? derTag.utcTime : derTag.generalizedTime));
  const century = isUtcTime ? (text.slice(0, 2) < "50" ? "20" : "19") : "";
  const match = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})Z$/.exec(
    century + text,
  );
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] =
    match?.slice(1).map(Number) ?? [];
  const timeMs =
    daysFromCivil(year, month, day) * dayMs + (hour * 3600 + minute * 60 + second) * 1000;
  const isReal =
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    hour < 24 &&
    minute < 60 &&
    second < 60 &&
    civilFromDays(Math.floor(timeMs / dayMs)).day === day;
  if (match === null || !isReal) {
    throw new DomainError(
      "invalid-input",
      "a time in the DER data is not a valid date with seconds and Z",
    );
  }
  return timeMs;
}
