"""The actions, as choreography for a right-hander; left-handers are mirrored afterwards.

`ACTIONS[i]` is action A(i+1) and line i+1 of `dataset/classes/demo.txt`.
Two pairs (pick up / put down, sit down / stand up) differ in nothing but the order of time.
"""

from dataclasses import dataclass

from tools.skeletons.moves import STANDING, Again, Script, Step, pose, script


@dataclass(frozen=True)
class Action:
    """A class of movement; with a `partner` two persons face each other."""

    name: str
    script: Script
    partner: Script | None = None
    partner_reaches: bool = False  # hands meet half way; else the actor's hands reach the partner's chest


CUP_AT_MOUTH = pose(right_raise=52, right_spread=-8, right_twist=42, right_elbow=132)
SIP = pose(CUP_AT_MOUTH, right_raise=68, nod=-22)
DRINK_WATER = script(Step(CUP_AT_MOUTH, 0.5), Step(SIP, 0.25), Step(SIP, 0.3), Step(STANDING, 0.5))

SQUAT = pose(both_hip=88, both_knee=105, bend=62, nod=-20, right_raise=72, left_raise=20, left_elbow=70)
CARRY = pose(right_elbow=92, right_raise=12, right_twist=15)
PICK_UP = script(Step(SQUAT, 0.7), Step(SQUAT, 0.1), Step(CARRY, 0.75))

ARM_BACK = pose(right_raise=75, right_spread=65, right_twist=-75, right_elbow=105)
WIND_UP = pose(ARM_BACK, turn=-38, bend=-8, left_raise=45)
RELEASE = pose(right_raise=115, right_elbow=12, turn=32, bend=22, left_raise=-25, left_elbow=30)
FOLLOW_THROUGH = pose(right_raise=40, right_spread=-22, right_elbow=15, turn=38, bend=34, left_raise=-30)
HURL = (Step(RELEASE, 0.17), Step(FOLLOW_THROUGH, 0.17))
THROW = script(Step(WIND_UP, 0.55), Step(WIND_UP, 0.08), *HURL, Step(STANDING, 0.5))

CROUCH = pose(both_hip=52, both_knee=62, bend=42, both_raise=28, both_elbow=20)
SEATED = pose(both_hip=90, both_knee=92, bend=4, both_raise=22, both_elbow=58)
SIT_DOWN = script(Step(CROUCH, 0.6), Step(SEATED, 0.5), Step(SEATED, 0.25))

PALMS_APART = pose(both_raise=42, both_spread=8, both_elbow=72)
PALMS_MEET = pose(PALMS_APART, both_twist=46)
CLAP = (Step(PALMS_MEET, 0.13), Step(PALMS_APART, 0.15))
CLAPPING = script(Step(PALMS_APART, 0.35), Again(CLAP, 3, 4), Step(STANDING, 0.35))

HAND_IN = pose(right_raise=12, right_spread=78, right_twist=-88, right_elbow=118)
HAND_OUT = pose(HAND_IN, right_elbow=55)
WAVE = (Step(HAND_OUT, 0.2), Step(HAND_IN, 0.2))
HAND_WAVING = script(Step(HAND_IN, 0.42), Again(WAVE, 2, 3), Step(STANDING, 0.42))

LEG_BACK = pose(right_hip=-28, right_knee=65, left_knee=8, bend=10, left_raise=30, right_raise=-15)
LEG_FORWARD = pose(right_hip=72, right_knee=6, bend=-14, left_raise=-22, right_raise=38, both_spread=20)
LEG_DOWN = pose(right_hip=25, right_knee=40)
KICK = (Step(LEG_FORWARD, 0.2), Step(LEG_FORWARD, 0.08))
KICKING = script(Step(LEG_BACK, 0.4), *KICK, Step(LEG_DOWN, 0.25), Step(STANDING, 0.3))

LOADED = pose(both_hip=62, both_knee=88, bend=42, both_raise=-38, both_elbow=15)
FLIGHT = pose(lift=0.34, both_raise=152, both_elbow=15, both_hip=8, both_knee=14, bend=-4)
LANDING = pose(LOADED, both_raise=45, bend=32, both_elbow=40)
JUMP_UP = script(Step(LOADED, 0.45), Step(FLIGHT, 0.28), Step(LANDING, 0.3), Step(STANDING, 0.4))

ARMS_COCKED = pose(both_raise=-5, both_spread=14, both_elbow=118, bend=-4, left_hip=28, left_knee=34)
LUNGE = pose(left_hip=26, left_knee=22, right_hip=-20, right_knee=4)
SHOVE = pose(LUNGE, both_raise=88, both_elbow=6, bend=20)
ARMS_DOWN = pose(LUNGE, bend=8)
PUSHING = script(Step(ARMS_COCKED, 0.5), Step(SHOVE, 0.2), Step(SHOVE, 0.15), Step(ARMS_DOWN, 0.5))

HIT = pose(bend=-16, nod=14, both_raise=38, both_elbow=38, both_spread=24, right_hip=-12, right_knee=42)
FOOT_BACK = pose(right_hip=-30, right_knee=8, left_hip=24, left_knee=10)
REEL = pose(FOOT_BACK, bend=18, both_raise=42, both_elbow=30, both_spread=34)
CATCH_UP = pose(bend=8, both_raise=20, both_elbow=25, both_spread=15, left_hip=10, left_knee=38)
STEP_BACK = (Step(REEL, 0.2), Step(CATCH_UP, 0.25), Step(STANDING, 0.25))
STAGGER = script(Step(STANDING, 0.62), Step(HIT, 0.2), *STEP_BACK)

HANDS_HIGH = pose(right_raise=58, right_spread=-17, right_elbow=48, right_twist=10, bend=6)
HANDS_LOW = pose(HANDS_HIGH, right_raise=44, right_elbow=38)
SHAKE = (Step(HANDS_LOW, 0.16), Step(HANDS_HIGH, 0.16))
SHAKING_HANDS = script(Step(HANDS_HIGH, 0.5), Again(SHAKE, 2, 3), Step(STANDING, 0.5))

ACTIONS = (
    Action("drink water", DRINK_WATER),
    Action("pick up", PICK_UP),
    Action("put down", PICK_UP.backwards()),
    Action("throw", THROW),
    Action("sit down", SIT_DOWN),
    Action("stand up", SIT_DOWN.backwards()),
    Action("clapping", CLAPPING),
    Action("hand waving", HAND_WAVING),
    Action("kicking something", KICKING),
    Action("jump up", JUMP_UP),
    Action("pushing other person", PUSHING, partner=STAGGER),
    Action("shaking hands", SHAKING_HANDS, partner=SHAKING_HANDS, partner_reaches=True),
)
