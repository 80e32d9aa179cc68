# What the commands of the runbooks share: `. docs/runbooks/commands.sh prod` at the root of the project, in bash.
STAGE=${1:?which stage: dev or prod}

# output STACK NAME: a value that a stack gives, `output Streams FailuresBucket`.
output() {
  aws cloudformation describe-stacks --stack-name "Tickwire-$STAGE-$1" \
    --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue" --output text
}

# logs STACK NAME …: the log of the function that an output names; the rest goes to `aws logs tail`.
logs() {
  aws logs tail "$(aws lambda get-function-configuration --function-name "$(output "$1" "$2")" \
    --query LoggingConfig.LogGroup --output text)" "${@:3}"
}

# metric NAMESPACE NAME STATISTIC DIMENSION=VALUE …: the last hour, a value a minute.
metric() {
  local namespace=$1 name=$2 statistic=$3
  shift 3
  local kind=--statistics
  case $statistic in p*) kind=--extended-statistics ;; esac
  aws cloudwatch get-metric-statistics --namespace "$namespace" --metric-name "$name" "$kind" "$statistic" \
    --dimensions $(for pair in "$@"; do echo "Name=${pair%%=*},Value=${pair#*=}"; done) --period 60 \
    --start-time "$(date -u -d '-1 hour' +%FT%TZ)" --end-time "$(date -u +%FT%TZ)" \
    --query "sort_by(Datapoints, &Timestamp)[-15:]" --output table
}
