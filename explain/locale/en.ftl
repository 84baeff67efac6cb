# What an explanation says in English, for a reader who left school at sixteen.
#
# Rules: say what moved "this model's score", never what "caused" anything; say points,
# never a percentage, for contributions; say what would have changed the outcome of the
# decision as it was made, never what will happen. Numbers arrive formatted.
# Syntax: https://projectfluent.org

## Values

value-yes = yes
value-no = no
value-missing = not given
unit-none = { $number }
unit-count = { $number }
unit-percent = { $number }{ "\u00A0" }%
unit-usd = { $number }
unit-usd-per-month = { $number } a month
unit-months = { $count ->
    [one] { $number } month
   *[other] { $number } months
}
unit-years = { $count ->
    [one] { $number } year
   *[other] { $number } years
}
reference-mostly = most often { $value }
item-with-value = { $label } ({ $value })
item-with-points = { $label }: { $value } ({ $points } points)
item-with-others = { $item }, together with { $others }

## Outcomes

outcome-approved = Approved
outcome-declined = Declined
outcome-accepted = Accepted
outcome-rejected = Rejected
outcome-referred = Referred to a person
outcome-granted = Granted
outcome-refused = Refused

## The decision in one sentence

summary-against = { $outcome }: the model’s score was { $score } points and at least { $limit } were needed. Compared with the reference group, this lowered the score most: { $item }.
summary-against-bare = { $outcome }: the model’s score was { $score } points and at least { $limit } were needed.
summary-for = { $outcome }: the model’s score was { $score } points and at least { $limit } were needed. Compared with the reference group, this raised the score most: { $item }.
summary-for-bare = { $outcome }: the model’s score was { $score } points and at least { $limit } were needed.
summary-rule = { $outcome }: a rule of the policy decided, whatever the score. { $reason }.
summary-not-the-score = { $outcome }: this does not follow from the model’s score, which was { $score } points where at least { $limit } were needed. This explanation does not say what led to it.

## The decision in paragraphs

paragraph-decision = A statistical model turned the details of this case into a score of { $score } points. The limit is { $limit } points. A score at or above the limit leads to “{ $pass }”, a lower score to “{ $fail }”. The outcome was “{ $outcome }”.
paragraph-rule = { $count ->
    [one] Besides the score, the policy has rules that decide whatever the score. This one did: { $items }.
   *[other] Besides the score, the policy has rules that decide whatever the score. These did: { $items }.
}
paragraph-reference = Every case starts from the average score of the reference group: { $population }. That average is { $reference } points. From there, each detail of this case moved this model’s score up or down, or left it as it was.
paragraph-reasons = { $count ->
    [one] Compared with the reference group, this lowered this model’s score most: { $items }.
   *[other] Compared with the reference group, these items lowered this model’s score most: { $items }.
}
paragraph-no-reasons = Compared with the reference group, nothing lowered this model’s score on balance.
paragraph-helped = { $count ->
    [one] This raised the score: { $items }.
   *[other] These items raised the score: { $items }.
}

## Reasons

reason-phrase = { $reason }: { $phrase } (reference group: { $reference })
reason-value = { $reason }: { $value } (reference group: { $reference })
reason-yes-no = { $reason } ({ $label }: { $value }; reference group: { $reference })
reason-combined = { $label }: { $value } (reference group: { $reference }). This lowered the score only together with other details
reason-bare = { $label }: { $value } (reference group: { $reference })
reason-not-given = { $label } was not given (reference group: { $reference })
reason-rule = { $reason } ({ $items })
reason-together = { $text }. Counted together with: { $others }
reason-helped = { $label }: { $value } (reference group: { $reference })

suppressed-small = less than { $share } of everything that lowered the score
suppressed-beyond-limit = weaker than the { $most } reasons given
suppressed-rule-beyond = a rule that fired as well, for which the { $most } reasons of a notice leave no room
suppressed-same-reason = named already as the reason of a rule
suppressed-other-component = a rule decided, and the score by itself would have passed

## What would have changed the outcome

change = { $label }: { $to } instead of { $from }
counterfactual = { $changes }. With everything else unchanged, this model’s score would have been { $score } points, a score that leads to “{ $outcome }”.
counterfactual-note-found = We ran the same model with the same limit again and changed only what is named here. This describes the decision as it was made. It is not advice, and it does not promise the outcome of a new application.
counterfactual-note-none = We ran the same model with the same limit again on many small changes, of up to { $most } items each, and used only values seen in the reference group. Within these bounds we found none that would have changed the outcome.
counterfactual-note-favourable = The outcome was the favourable one, so no other outcome was searched for.
counterfactual-note-not-the-score = The outcome does not follow from the score, so no other score was searched for.

## How it was worked out, and what it cannot say

method-reference-group = The points of each item come from comparing this case with every case in the reference group, and averaging over every order in which the items can be considered (Shapley values of the model’s log-odds, engine { $engine }). They are exact for this model, not estimated. { $since } Points are the model’s log-odds on a straight scale: { $limit } points at { $cut }, and { $per } points for each unit in favour of the person.
method-training-paths = The points of each item come from the paths that the training data took through the model, averaging over every order in which the items can be considered (Shapley values of the model’s log-odds, engine { $engine }). They do not compare this case with a group of people. { $since } Points are the model’s log-odds on a straight scale: { $limit } points at { $cut }, and { $per } points for each unit in favour of the person.
method-other = The points of each item are those of the engine { $engine }. { $since } Points are the model’s log-odds on a straight scale: { $limit } points at { $cut }, and { $per } points for each unit in favour of the person.
method-since-decision = They were recorded with the decision and checked against the model’s own score.
method-since-later = They were not recorded with the decision: they were worked out later, on { $day }, from the archived model and the same data, and checked against the score that was recorded then.
limit-not-causes = The points show how this model used the details of this case. They do not show why a person is in the situation that these details describe, or how that person will act.
limit-linked = Items that are linked to each other can share points between them.
limit-reference = With another reference group the points can be different.
limit-typical = The value shown for the reference group is its middle value, or its most frequent one. An item can raise or lower the score even where that value suggests the opposite, because the model weighs all items together.
limit-rounding = Points are rounded to one decimal place, so a sum can differ in its last digit.
limit-unstable = The last item named lowered the score by nearly the same as the next one, which is not named.
limit-tied = Of these reasons, some lowered the score by so nearly the same that another sample of the reference group can put them in another order: { $groups }.
limit-missing = Some details were not given. The model scored the case without them.

## Checks of the explanation against the model

gate-additivity = Base, contributions and residual add up to the score the model gives; off by { $off } of at most { $tolerance } units of 10^-6.
gate-rerun = Worked out a second time; contributions differ by at most { $off } of { $tolerance } units of 10^-6.
gate-rerun-impossible = Working out the contributions a second time failed.
gate-reference-group = The starting score is the reference group’s average; off by { $off } of at most { $tolerance } units of 10^-6.
gate-perturbation = { $count ->
    [0] There is no reason to try.
   *[other] Giving the items of all reasons the values of the reference group { $together ->
        [yes] raised the score
       *[no] did not raise the score
    }; giving them to one reason at a time raised it for { $right } of { $count }. The others are told as counting together with other details.
}
gate-reasons-scored = { $right } of { $count } reasons are items that the model scored and that lowered the score.
gate-reasons-none = The case was decided against, and neither a rule nor a scored item is there to give as a reason: a person has to find it and give it.
gate-outcome = The recorded outcome is { $follows ->
    [yes] the one that the score, the limit and the rules of the policy lead to.
   *[no] not the one that the score, the limit and the rules of the policy lead to: a person has to find out what decided, and give the reason.
}
gate-reasons-allowed = { $count ->
    [0] Every reason has a text and none is a protected characteristic.
    [one] One reason is a protected characteristic, stands for one, or has no text: { $groups }.
   *[other] { $count } reasons are protected characteristics, stand for one, or have no text: { $groups }.
}
gate-rules-beyond = More rules of the policy fired than the { $most } reasons that a notice gives. Not named: { $groups }.
gate-helped-guarded = Named as raising the score, though protected or standing for something protected: { $groups }.
gate-rank-stability = { $count ->
    [0] In { $agreed }% of { $draws } draws of the reference group the same reasons come out; at least { $needed }% are needed.
   *[other] In { $agreed }% of { $draws } draws of the reference group the same reasons come out; at least { $needed }% are needed. In doubt: { $groups }.
}
gate-rank-stability-unknown = Whether another draw of the reference group would give the same reasons cannot be found out: the group is too small, or the values are estimates.

## Layers: for the person, for a reviewer, for a regulator

layer-summary = In short
layer-reasons = Reasons
layer-details = Details
layer-method = How it was worked out
layer-points = { $text } ({ $points } points)
layer-left = { $item }. Not named as a reason: { $why }
layer-code = { $text }. Code: { $code }; amount: { $amount } millionths of the log-odds
layer-check = { $passed ->
    [yes] Passed
   *[no] Failed
}: { $detail }
