"""Takes a text file with a number in each line and writes summary.json: `analyse.py DATA CONFIG OUT`.

Exit codes: 0 done, 65 the data cannot be used (the message on standard error is what the analyst reads).
"""

import json

from neurocaas_analysis import Unusable, number, program, say


def numbers(data):
    """The numbers of a file, in order."""
    found = []
    for place, line in enumerate(data.read_text(encoding="utf-8-sig").splitlines(), 1):
        if line.strip():
            try:
                found.append(float(line))
            except ValueError:
                raise Unusable(
                    f"{data.name}, line {place}: got {line!r}. Allowed: a number. Correct the dataset."
                ) from None
    if not found:
        raise Unusable(f"{data.name}: got no numbers. Allowed: a number in each line. Correct the dataset.")
    return found


def main(data, config, out):
    parameters = json.loads(config.read_text(encoding="utf-8"))
    values = numbers(data)
    say(0.5, f"{len(values)} numbers")
    above = sum(value > parameters["threshold"] for value in values)
    summary = {
        "numbers": len(values),
        "mean": number(sum(values) / len(values)),
        "above": above,
        "threshold": parameters["threshold"],
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    program(main)
