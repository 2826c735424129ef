// Slots of cron patterns by the library that npm bullmq uses. Cases come as JSON on stdin, answers go to stdout.
const { CronExpressionParser } = require("cron-parser");

const cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const slots = cases.map(({ pattern, tz, since, until }) => {
  const expression = CronExpressionParser.parse(pattern, { tz, currentDate: new Date(since * 1000) });
  const found = [];
  try {
    for (let at; (at = expression.next().getTime() / 1000) <= until; ) found.push(at);
  } catch {
    found.push(null); // it finds no next slot
  }
  return found;
});
process.stdout.write(JSON.stringify(slots));
