function analyse(data, config, out)
% Takes a text file with a number in each line and writes summary.json. Compile it for Linux: mcc -m analyse.m
parameters = jsondecode(fileread(config));
values = str2double(strtrim(splitlines(strtrim(fileread(data)))));
if isempty(values) || any(isnan(values))
    fprintf(2, '%s: got a line that is no number. Allowed: a number in each line. Correct the dataset.\n', data);
    exit(65);
end
fprintf('::progress 0.5 %d numbers\n', numel(values));
summary = struct('numbers', numel(values), 'mean', round(mean(values), 6, 'significant'), ...
    'above', sum(values > parameters.threshold), 'threshold', parameters.threshold);
file = fopen(fullfile(out, 'summary.json'), 'w');
fprintf(file, '%s\n', jsonencode(summary));
fclose(file);
end
