# Takes a text file with a number in each line and writes summary.json: Rscript analyse.R DATA CONFIG OUT
# Exit codes: 0 done, 65 the data cannot be used, 69 a package is missing (said on standard error, where the analyst reads it).

unusable <- function(code, ...) {
  message(...)
  quit(status = code)
}

if (!requireNamespace("jsonlite", quietly = TRUE)) {
  unusable(69, "R: got no package jsonlite. Allowed: R with it. Bake the image (provision/10-r.sh), or install.packages(\"jsonlite\").")
}

arguments <- commandArgs(trailingOnly = TRUE)
data <- arguments[1]
parameters <- jsonlite::fromJSON(arguments[2])
out <- arguments[3]

lines <- trimws(readLines(data, warn = FALSE))
lines <- lines[nzchar(lines)]
values <- suppressWarnings(as.numeric(lines))
if (length(values) == 0 || anyNA(values)) {
  got <- if (length(values) == 0) "no numbers" else lines[is.na(values)][1]
  unusable(65, basename(data), ": got ", got, ". Allowed: a number in each line. Correct the dataset.")
}
cat("::progress 0.5", length(values), "numbers\n")

summary <- list(
  numbers = length(values), mean = signif(mean(values), 6), above = sum(values > parameters$threshold), threshold = parameters$threshold
)
write(jsonlite::toJSON(summary, auto_unbox = TRUE, pretty = TRUE, digits = NA), file.path(out, "summary.json"))
